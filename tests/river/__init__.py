"""The whole river on real servers: worker and sink processes beside a broker and a Redis, started, killed and read back."""
