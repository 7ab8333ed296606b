"""The whole river on real servers: worker and sink processes, started, killed and read back."""
