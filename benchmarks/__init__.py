"""How fast the river is against stock Faust and a hand-written loop, on one broker: `python -m benchmarks`."""
