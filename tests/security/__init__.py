"""The controls of docs/security.md, by topic: each test fails when its control is taken away."""
