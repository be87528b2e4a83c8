"""The Kafka sink, through either of two clients."""
