"""How fast this pipeline is against what others would use instead, on one broker: `python -m benchmarks`."""
