"""Detection across servers: runs the detectors over a Kafka topic that many sidecars fill (`mfa-shipper detect`)."""
