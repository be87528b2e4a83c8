"""Detection across servers: the detectors over a topic that many sidecars fill (`mfa-shipper detect`)."""
