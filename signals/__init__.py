"""The pure core: values in, values out. No Kafka, Redis, HTTP, files, clock, randomness, logging or asyncio."""
