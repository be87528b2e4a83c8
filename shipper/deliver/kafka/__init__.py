"""Kafka as the other side, through either of two clients."""
