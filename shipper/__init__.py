"""mfa-shipper: Azure MFA Server logs as decoded, correlated ECS events."""

__version__ = "0.1.0"
