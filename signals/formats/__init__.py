"""Bus formats: one module each turns the value of a record into an Event."""
