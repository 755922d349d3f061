"""Market data into Kafka: a plain idempotent producer that goes on after its own last record."""
