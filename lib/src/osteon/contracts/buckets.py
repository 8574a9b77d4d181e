"""The buckets, and what each service may do in them: the least that its work needs.

Rights are written as SeaweedFS spells them: `action:bucket`, or `action:bucket/beginning*` for those objects alone
whose names begin so. The stack of one machine and the chart make identities of them; whoever brings an S3 store of
their own gives each service these and no others.
"""

from collections.abc import Mapping

__all__ = ["BUCKETS", "PROBE_PREFIX", "RIGHTS", "buckets_at"]

BUCKETS = ("inbox", "receipts", "images", "harmonized", "vault", "models")

PROBE_PREFIX = "osteon-probe-"
"""So begins what is written to a bucket only to see whether it can be; no listing of `osteon.store` shows it."""


def buckets_at(*, is_hub_alone: bool) -> tuple[str, ...]:
    """Those that must be there: at a hub without a site the models' alone, since it has no image."""
    return ("models",) if is_hub_alone else BUCKETS


RIGHTS: Mapping[str, tuple[str, ...]] = {
    "admin": ("Admin", "Read", "Write", "List", "Tagging"),
    "ingest": ("Read:inbox", "Write:inbox", "List:inbox", "Read:receipts", "Write:receipts", "List:receipts"),
    # Only accepting may open the vault: it alone knows both a pseudonym and its patient.
    "accept": ("Read:inbox", "Read:images", "Write:images", "Read:vault", "Write:vault"),
    # `osteon patient forget`, `osteon inbox prune`: they have the site key too, and run only when somebody starts them.
    "forget": tuple(f"{right}:{bucket}" for bucket in ("inbox", "receipts", "images", "harmonized", "vault")
                    for right in ("Read", "Write", "List")),
    "harmonizer": ("Read:images", "Read:harmonized", "Write:harmonized", "Read:models"),
    "classifier": ("Read:harmonized", "Read:models"),
    "reconcile": ("Read:models",),
    "console": (),
    # An operator's commands: releases; and the doctor, who sees whether each bucket takes an object and gives it back,
    # and no other object, not even its name.
    "desk": ("Read:models", "Write:models", *(f"{right}:{bucket}/{PROBE_PREFIX}*" for bucket in BUCKETS[:-1]
                                              for right in ("Read", "Write"))),
}  # fmt: skip
"""What each identity may do: an action on any bucket, or in one. Write includes deleting; who writes also
reads back what it wrote, to tell whether the store is well."""
