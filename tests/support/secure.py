"""A real Kafka that asks who is there: SASL_SSL with SCRAM, access lists, certificates of its own CA."""

import time
from pathlib import Path

import trustme
from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)
from cryptography.hazmat.primitives import serialization

from tests.support.kafka import Broker

USERS = {"admin": "admin-secret", "shipper": "shipper-secret", "stranger": "stranger-secret"}
MECHANISM = "SCRAM-SHA-512"


class SecureBroker(Broker):
    """One broker whose only client listener is SASL_SSL.

    `ca` signed its certificate, `other_ca` did not. `admin` may do everything, the others what `allow`
    gives them. With `mutual`, clients need a certificate of `ca` too.
    """

    def __init__(self, folder: Path, *, mutual: bool = False) -> None:
        super().__init__(folder, auto_create=False)
        self._mutual = mutual
        self._admin: AdminClient | None = None
        self.ca, self.other_ca = folder / "ca.pem", folder / "other-ca.pem"
        self.client_cert, self.client_key = folder / "client.pem", folder / "client.key"
        self._keystore = folder / "broker.pem"
        folder.mkdir(parents=True, exist_ok=True)
        trustme.CA().cert_pem.write_to_path(str(self.other_ca))
        self.renew()

    def renew(self) -> None:
        """Write certificates of a new `ca`; the broker has them when it is started the next time."""
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca))
        server = authority.issue_cert("localhost", "127.0.0.1")
        self._keystore.write_bytes(
            _pkcs8(server.private_key_pem.bytes()) + b"".join(part.bytes() for part in server.cert_chain_pems)
        )
        client = authority.issue_cert("shipper@example.com")
        self.client_key.write_bytes(client.private_key_pem.bytes())
        self.client_cert.write_bytes(b"".join(part.bytes() for part in client.cert_chain_pems))

    def properties(self) -> dict[str, object]:
        """`server.properties`."""
        jaas = f'org.apache.kafka.common.security.scram.ScramLoginModule required username="admin" password="{USERS["admin"]}";'
        return super().properties() | {
            "listeners": f"SASL_SSL://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self._controller}",
            "advertised.listeners": f"SASL_SSL://127.0.0.1:{self.advertised}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL",
            "inter.broker.listener.name": "SASL_SSL",
            "sasl.enabled.mechanisms": MECHANISM,
            "sasl.mechanism.inter.broker.protocol": MECHANISM,
            f"listener.name.sasl_ssl.{MECHANISM.lower()}.sasl.jaas.config": jaas,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self._keystore,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.ca,
            "listener.name.sasl_ssl.ssl.client.auth": "required" if self._mutual else "none",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:admin;User:ANONYMOUS",
            "allow.everyone.if.no.acl.found": "false",
        }

    def format_arguments(self) -> list[str]:
        """The users."""
        return [
            part for name, password in USERS.items() for part in ("--add-scram", f"{MECHANISM}=[name={name},password={password}]")
        ]

    def admin(self) -> AdminClient:
        """A client that may do everything; one for all calls, for it must outlive what it promises."""
        if self._admin is None:
            self._admin = AdminClient(dict(self.options("admin")))
        return self._admin

    def create_topic(self, name: str, **config: str) -> None:
        """Make a topic; nobody but `admin` may use it yet."""
        end = time.monotonic() + 60
        while True:
            try:
                self.admin().create_topics([NewTopic(name, 1, 1, config=config)])[name].result(20)
                return
            except KafkaException:  # a broker that has just started may not take it yet
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

    def allow(self, user: str, *rights: str) -> None:
        """Give rights, each as `OPERATION KIND NAME`, such as `WRITE TOPIC mfa-events`."""
        for right in rights:
            operation, kind, name = right.split()
            binding = AclBinding(
                ResourceType[kind], name, ResourcePatternType.LITERAL, f"User:{user}", "*",
                AclOperation[operation], AclPermissionType.ALLOW,
            )  # fmt: skip
            for done in self.admin().create_acls([binding]).values():
                done.result(20)

    def options(self, user: str, password: str | None = None) -> dict[str, str]:
        """For confluent-kafka, the judge."""
        options = {
            "bootstrap.servers": self.address, "security.protocol": "SASL_SSL", "sasl.mechanism": MECHANISM,
            "sasl.username": user, "sasl.password": password or USERS[user], "ssl.ca.location": str(self.ca),
        }  # fmt: skip
        if self._mutual:
            options |= {"ssl.certificate.location": str(self.client_cert), "ssl.key.location": str(self.client_key)}
        return options


def _pkcs8(key: bytes) -> bytes:
    """The key as Kafka wants it; trustme writes the older form."""
    loaded = serialization.load_pem_private_key(key, None)
    return loaded.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
