"""A Secret that the values name and nobody made is said at install."""

from collections.abc import Callable, Iterator
from subprocess import CompletedProcess

import pytest

from .cases import CASES, EVERYTHING
from .render import NAMESPACE, Object

USERS = ("admin", "ingest", "accept", "harmonizer", "classifier", "reconcile", "console", "forget", "desk")
SERVER = ("tls.crt", "tls.key", "ca.crt")

Ask = Callable[..., CompletedProcess[str]]
Secrets = dict[str, tuple[str, ...]]

GIVEN: dict[str, Secrets] = {
    "external": {
        "former": ("former-site-keys",),
        "audit-ca": ("ca.crt",),
        "audit-own": ("tls.crt", "tls.key"),
        "desk-own": ("tls.crt", "tls.key"),
        "modalities": ("ca.crt",),
        "people": ("ca.crt",),
        "kafka-users": (*USERS, *(f"{user}.user" for user in USERS)),
        "kafka-ca": ("ca.crt",),
        "kafka-own": ("tls.crt", "tls.key"),
        "s3": tuple(f"{user}.{key}-key" for user in USERS for key in ("access", "secret")),
        "s3-ca": ("ca.crt",),
    },
    "secrets": {
        "key": ("site-key",),
        "tokens": ("tokens", "sender", "desk"),
        "users": USERS,
        "identities": ("identities.json", *(f"{user}.{key}-key" for user in USERS for key in ("access", "secret"))),
        **{f"{part}-own": SERVER for part in ("kafka", "store", "triton", "ingest", "console")},
    },
}
"""All that a case of values names, and what must be in it."""


def made(secrets: Secrets) -> Iterator[Object]:
    for name, keys in secrets.items():
        yield {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": dict.fromkeys(keys, "")}


@pytest.mark.parametrize("case", GIVEN)
def test_a_secret_that_is_not_there_is_named_with_its_value(ask: Ask, case: str) -> None:
    for_all = ask(CASES[case]).stderr
    for_none = ask(CASES[case], made(GIVEN[case]))
    first, *others = GIVEN[case]
    for_one = ask(CASES[case], made({name: GIVEN[case][name] for name in others})).stderr

    said = [line for line in for_all.splitlines() if "there is no Secret" in line]
    assert {line.split("there is no Secret ")[1].split()[0] for line in said} == set(GIVEN[case])
    assert for_none.returncode == 0, for_none.stderr
    (line,) = [line for line in for_one.splitlines() if "Secret" in line]
    assert f"there is no Secret {first} in the namespace {NAMESPACE}. Make it first: the comment at " in line


def test_a_secret_that_lacks_a_key_is_told(ask: Ask) -> None:
    there = GIVEN["external"] | {
        "kafka-users": tuple(one for one in GIVEN["external"]["kafka-users"] if one != "forget")
    }

    told = ask(EVERYTHING, made(there)).stderr

    assert "kafka.external.secret: the Secret kafka-users has no forget. Add it: " in told


def test_secrets_that_nobody_named_are_made(ask: Ask) -> None:
    assert ask({}).returncode == 0
