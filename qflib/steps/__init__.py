"""The steps: pure functions over batches and a state. No Kafka, no clock, no files."""
