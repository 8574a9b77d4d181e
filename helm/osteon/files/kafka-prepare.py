"""What differs from broker to broker, and what is secret: written where only this pod's containers read it."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

RUN, TLS = Path("/run/kafka"), Path("/etc/osteon/tls")
host = os.environ["HOSTNAME"]
admin = os.environ["ADMIN_PASSWORD"]
known = "org.apache.kafka.common.security.plain.PlainLoginModule required "
known += f'username="admin" password="{admin}" user_admin="{admin}";'
lines = [
    Path("/etc/kafka/server.properties").read_text(),
    f"node.id={int(host.rsplit('-', 1)[1]) + 1}",
    f"advertised.listeners=CLIENTS://{host}.{os.environ['DOMAIN']}:9092",
    f"listener.name.clients.plain.sasl.jaas.config={known}",
    f"listener.name.controller.plain.sasl.jaas.config={known}",
]
os.umask(0o077)
(RUN / "server.properties").write_text("\n".join(lines) + "\n")
if TLS.exists():  # Kafka wants key and certificates in one file, and the key as PKCS #8
    key = load_pem_private_key((TLS / "tls.key").read_bytes(), None)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (RUN / "server.pem").write_bytes(text + (TLS / "tls.crt").read_bytes())
