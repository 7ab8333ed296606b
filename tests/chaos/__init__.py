"""Chaos: breaks a running river again and again, by a seed, and holds it against the oracle after each scenario."""
