"""Apache Kafka: a local broker, the table of topics, and the settings every client has."""
