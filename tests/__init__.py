"""The tests; the folders mirror the tree. Those marked `river` need a Kafka or a Redis (servers.py finds them)."""
