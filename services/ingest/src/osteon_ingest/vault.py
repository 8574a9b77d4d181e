"""The vault: from pseudonym and new UIDs back to the originals, sealed, for those who bring a result home.

An entry is named by the image id and the de-identified object, so that another image under the same UID can't
take its place, and writing it again changes nothing. Only ingest and delivery hold the key and the right to
the bucket.
"""

import json
from dataclasses import asdict, dataclass

from osteon.contracts import ObjectRef
from osteon.runtime import audit
from osteon.store import Store
from osteon_ingest.identity import Keys
from osteon_ingest.seal import seal, unseal

__all__ = ["VAULT", "Entry", "entry_key", "lock_away", "open_entry", "take_out"]

VAULT = "vault"
SEALED = "application/octet-stream"


@dataclass(frozen=True, repr=False)
class Entry:
    """Who an image is of and what it was called; empty where the original does not say. Never log one."""

    image_id: str
    patient: str
    issuer_of_patient_id: str
    patient_id: str
    patient_name: str
    patient_birth_date: str
    accession_number: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    character_set: str


def entry_key(image_id: str, deidentified: ObjectRef) -> str:
    """Where the entry of a de-identified object lies in the vault."""
    return f"{image_id}/{deidentified.sha256}"


def lock_away(store: Store, keys: Keys, entry: Entry, deidentified: ObjectRef) -> ObjectRef:
    """Seal an entry and put it into the vault; safe to repeat. Raises Passing."""
    text = json.dumps(asdict(entry), sort_keys=True, ensure_ascii=True)
    key = entry_key(entry.image_id, deidentified)
    return store.put_named(VAULT, key, seal(keys.vault, text.encode(), key), SEALED)


def take_out(store: Store, keys: Keys, image_id: str, deidentified: ObjectRef) -> Entry:
    """The entry of a de-identified object. Raises Passing, and Poison if it is missing, broken or another's."""
    return open_entry(store, keys, entry_key(image_id, deidentified))


def open_entry(store: Store, keys: Keys, key: str) -> Entry:
    """The entry that lies under `key`, which is told to audit.

    Raises Passing, and Poison if it is missing, broken or another's.
    """
    entry = Entry(**json.loads(unseal(keys.to_open("vault"), store.get_named(VAULT, key), key)))
    audit.vault_opened(audit.here(), entry.image_id)
    return entry
