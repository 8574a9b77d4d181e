"""Values that a chart is installed with, by what they are for."""

from .render import Object

__all__ = ["CASES", "EVERYTHING"]

EVERYTHING: Object = {
    "site": {"formerKeysSecret": "former", "keyEpoch": "2", "clientSecret": "desk-own"},
    "audit": {"repository": "tls://audit.example:6514", "caSecret": "audit-ca", "certificateSecret": "audit-own"},
    "ingest": {"clientCaSecret": "modalities"},
    "console": {"clientCaSecret": "people"},
    "kafka": {
        "enabled": False,
        "external": {
            "servers": "k1.example:9093,k2.example:9093",
            "secret": "kafka-users",
            "caSecret": "kafka-ca",
            "certificateSecret": "kafka-own",
        },
    },
    "store": {"enabled": False, "external": {"endpoint": "s3.example:443", "secret": "s3", "caSecret": "s3-ca"}},
}
"""Kafka, store and audit repository of the hospital's own, every Secret named, senders with certificates."""

CASES: dict[str, Object] = {
    "defaults": {},
    "site": {"hub": {"enabled": False}},
    "hub": {"site": {"enabled": False}},
    "external": EVERYTHING,
    "gpu": {"triton": {"gpu": {"resource": "nvidia.com/gpu"}, "image": "registry.example/tritonserver:25.09-py3"}},
    "mig": {
        "triton": {"gpu": {"resource": "nvidia.com/mig-1g.10gb", "count": 2}, "image": "registry.example/triton:1"}
    },
    "cert-manager": {"tls": {"certManager": {"enabled": True}}},
    "secrets": {
        "site": {"keySecret": "key", "tokensSecret": "tokens"},
        "kafka": {"secret": "users"},
        "store": {"secret": "identities"},
        "tls": {"secrets": {name: f"{name}-own" for name in ("kafka", "store", "triton", "ingest", "console")}},
    },
    "watched": {
        "metrics": {"monitors": {"enabled": True}, "rules": {"enabled": True}, "dashboards": {"enabled": False}},
        "keda": {"enabled": True, "maxReplicas": 6},
        "prune": {"olderThan": "365d"},
    },
    "unguarded": {"networkPolicy": {"enabled": False}},
    "many": {
        "kafka": {"replicas": 3},
        "ingest": {"replicas": 2, "settings": {"commit_addresses": "PACS=10.1.2.3:104"}},
        "harmonizer": {"replicas": 3},
        "triton": {"replicas": 2},
    },
}
