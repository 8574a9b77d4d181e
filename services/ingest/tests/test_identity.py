"""Names under a site's key, seals and the vault."""

import base64
import secrets
import subprocess
import sys
from datetime import datetime
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from hypothesis import given
from hypothesis import strategies as st

from osteon.errors import Fatal, Poison
from osteon.store import MemoryStore
from osteon_ingest.identity import Keys, device_pseudonym, image_id, new_uid, pseudonym, shift_date, shift_of
from osteon_ingest.seal import _gcm, seal, unseal
from osteon_ingest.vault import Entry, lock_away, take_out

SECRET = secrets.token_bytes(32)
KEYS = Keys.from_site_key(SECRET)
OTHER = Keys.from_site_key(secrets.token_bytes(32))


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "secret",
        "a" * 64,
        "00" * 32,
        secrets.token_hex(31),
        base64.b64encode(secrets.token_bytes(31)).decode(),
        b"x",
    ],
    ids=["none", "a word", "one letter", "zeros", "31 bytes hex", "31 bytes base64", "one byte"],
)
def test_a_weak_key_is_refused_by_the_name_of_its_setting(secret: str | bytes) -> None:
    with pytest.raises(Fatal, match="OSTEON_SITE_KEY"):
        Keys.from_site_key(secret)


def test_a_key_is_the_same_as_bytes_hexadecimal_and_base64() -> None:
    assert Keys.from_site_key(SECRET.hex()) == KEYS
    assert Keys.from_site_key(base64.b64encode(SECRET).decode()) == KEYS
    assert Keys.from_site_key(base64.urlsafe_b64encode(SECRET).decode()) == KEYS


def test_each_purpose_has_a_key_of_its_own() -> None:
    keys = {KEYS.patients, KEYS.images, KEYS.uids, KEYS.dates, KEYS.devices, KEYS.inbox, KEYS.vault}

    assert len(keys) == 7
    assert SECRET not in keys


def test_keys_do_not_show_in_their_representation() -> None:
    assert KEYS.patients.hex() not in repr(KEYS)
    assert repr(KEYS.patients) not in repr(KEYS)


def test_a_patient_has_the_same_pseudonym_in_another_process() -> None:
    code = (
        "import sys; from osteon_ingest.identity import Keys, pseudonym, new_uid, image_id\n"
        "k = Keys.from_site_key(sys.argv[1])\n"
        "print(pseudonym(k, 'site', '4711'), new_uid(k, '1.2'), image_id(k, '1.2'))"
    )

    printed = subprocess.run([sys.executable, "-c", code, SECRET.hex()], capture_output=True, text=True, check=True)

    assert printed.stdout.split() == [pseudonym(KEYS, "site", "4711"), new_uid(KEYS, "1.2"), image_id(KEYS, "1.2")]


@given(st.text(), st.text())
def test_sites_issuers_and_epochs_give_a_patient_different_pseudonyms(site: str, patient_id: str) -> None:
    name = pseudonym(KEYS, site, patient_id)

    later = Keys.from_site_key(SECRET, epoch="2")
    others = {
        pseudonym(OTHER, site, patient_id),
        pseudonym(KEYS, site + "x", patient_id),
        pseudonym(later, site, patient_id),
    }
    assert others == {""} if not name else name not in others


@pytest.mark.parametrize("spelling", ["ab 12", " AB12 ", "AB12\0", "\uff21\uff22\uff11\uff12"])
def test_spellings_of_one_patient_id_are_one_patient(spelling: str) -> None:
    assert pseudonym(KEYS, "site", spelling) == pseudonym(KEYS, "SITE", "AB12")


def test_where_issuer_ends_and_patient_id_begins_matters() -> None:
    assert pseudonym(KEYS, "ab", "c") != pseudonym(KEYS, "a", "bc")


@pytest.mark.parametrize("patient_id", ["", "  ", "\0"])
def test_no_patient_id_gives_no_pseudonym(patient_id: str) -> None:
    assert pseudonym(KEYS, "site", patient_id) == ""


@given(st.from_regex(r"[12](\.[1-9][0-9]{0,5}){1,8}", fullmatch=True))
def test_a_new_uid_is_valid_and_says_nothing_of_the_old(uid: str) -> None:
    new = new_uid(KEYS, uid)

    assert new.startswith("2.25.")
    assert len(new) <= 44
    assert 0 < int(new[5:]) < 1 << 128
    assert new == new_uid(KEYS, uid + "\0")
    assert new != new_uid(OTHER, uid)


@given(st.dates(min_value=datetime(1920, 1, 1).date()), st.dates(min_value=datetime(1920, 1, 1).date()), st.text())
def test_intervals_between_a_patients_dates_stay(first: datetime, second: datetime, patient: str) -> None:
    days = shift_of(KEYS, patient).days

    moved = [datetime.strptime(shift_date(f"{one:%Y%m%d}", days), "%Y%m%d").date() for one in (first, second)]

    assert moved[1] - moved[0] == second - first
    assert moved[0] < first


@pytest.mark.parametrize("text", ["", "2024", "20241301", "20240230", "today", "00010101"])
def test_what_is_no_date_gives_none(text: str) -> None:
    assert shift_date(text, -1) == ""


def test_a_device_without_a_name_has_no_pseudonym() -> None:
    assert device_pseudonym(KEYS, "", " ") == ""
    assert len(device_pseudonym(KEYS, "maker", "", "17")) == 16


@given(st.binary(max_size=300))
def test_what_is_sealed_opens_again_and_is_the_same_each_time(content: bytes) -> None:
    sealed = seal(KEYS.inbox, content)

    assert sealed == seal(KEYS.inbox, content)
    assert unseal(KEYS.inbox, sealed) == content
    assert len(content) < 8 or content not in sealed.removeprefix(b"OSTEON-SEALED-2\n")


@given(st.binary(min_size=1, max_size=64), st.integers(min_value=0), st.integers(1, 255))
def test_a_seal_shows_every_altered_byte(content: bytes, at: int, by: int) -> None:
    sealed = bytearray(seal(KEYS.inbox, content))
    sealed[at % len(sealed)] ^= by

    with pytest.raises(Poison) as raised:
        unseal(KEYS.inbox, bytes(sealed))

    assert raised.value.reason == "seal-broken"


def test_a_seal_does_not_open_with_another_key_or_when_cut() -> None:
    sealed = seal(KEYS.inbox, b"content")

    for key, given_bytes in ((KEYS.vault, sealed), (OTHER.inbox, sealed), (KEYS.inbox, sealed[:-1]), (KEYS.inbox, b"")):
        with pytest.raises(Poison):
            unseal(key, given_bytes)


def test_the_seal_is_that_of_the_published_specification() -> None:
    # https://github.com/C2SP/C2SP/blob/main/XAES-256-GCM.md, both of its short examples
    nonce = b"ABCDEFGHIJKLMNOPQRSTUVWX"
    known = {
        (b"\1" * 32, b""): "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271",
        (b"\3" * 32, b"c2sp.org/XAES-256-GCM"): "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d",
    }

    for (key, additional), sealed in known.items():
        assert _gcm(key, nonce).encrypt(nonce[12:], b"XAES-256-GCM", additional).hex() == sealed


def test_one_content_under_two_names_is_sealed_with_two_nonces() -> None:
    one, other = (seal(KEYS.vault, b"content", name)[16:40] for name in ("one", "other"))

    assert one != other


@pytest.mark.parametrize("name", ["", "a name"])
def test_what_was_sealed_in_the_format_before_opens(name: str) -> None:
    mark = b"OSTEON-SEALED-1\n"
    sealed = mark + AESGCMSIV(KEYS.vault).encrypt(bytes(12), b"content", mark + name.encode())

    assert unseal(KEYS.vault, sealed, name) == b"content"
    with pytest.raises(Poison):
        unseal(KEYS.vault, sealed, "another")


def test_the_vault_gives_back_what_was_locked_away_and_shows_nothing() -> None:
    store = MemoryStore()
    deidentified = store.put("images", b"picture", "application/dicom")
    entry = Entry("0" * 32, "1" * 32, "", "4711", "Planted^Name", "19500101", "A1", "1.2", "1.3", "1.4", "1.5", "")

    first = lock_away(store, KEYS, entry, deidentified)
    again = lock_away(store, KEYS, entry, deidentified)

    assert first == again
    assert take_out(store, KEYS, entry.image_id, deidentified) == entry
    assert b"4711" not in store.get(first)
    assert "Planted" not in repr(entry)
    with pytest.raises(Poison):
        take_out(store, OTHER, entry.image_id, deidentified)


def test_entries_of_the_vault_that_were_exchanged_do_not_open() -> None:
    store = MemoryStore()
    objects = [store.put("images", picture, "application/dicom") for picture in (b"one", b"two")]
    entries = [Entry(number * 32, "1" * 32, "", "4711", "", "", "", "", "", "", "", "") for number in "ab"]
    kept = [lock_away(store, KEYS, entry, deidentified) for entry, deidentified in zip(entries, objects, strict=True)]

    store.put_named("vault", kept[0].key, store.get(kept[1]), "application/octet-stream")

    with pytest.raises(Poison):
        take_out(store, KEYS, entries[0].image_id, objects[0])


def test_patient_12345_of_two_hospitals_is_two_patients() -> None:
    with_keys_of_their_own = {pseudonym(keys, "site", "12345") for keys in (KEYS, OTHER)}
    with_one_key = {pseudonym(KEYS, site, "12345") for site in ("north", "south")}
    by_issuer = {pseudonym(KEYS, issuer, "12345") for issuer in ("NORTH-EPR", "SOUTH-EPR")}

    assert [len(each) for each in (with_keys_of_their_own, with_one_key, by_issuer)] == [2, 2, 2]


def test_who_tries_all_patient_numbers_finds_nobody_without_the_key() -> None:
    name = pseudonym(KEYS, "site", "1234")
    numbers = [f"{number:04d}" for number in range(10_000)]

    def found(keys: Keys) -> list[str]:
        return [number for number in numbers if pseudonym(keys, "site", number) == name]

    plain = {sha256(text.encode()).hexdigest()[:32] for one in numbers for text in (one, f"1site{one}", f"site{one}")}
    assert found(KEYS) == ["1234"]  # so the key is what protects them
    assert found(OTHER) == []
    assert name not in plain


def test_names_of_one_thing_under_one_key_can_not_be_matched_across_purposes() -> None:
    same = "1.2.3"

    names = {image_id(KEYS, same), pseudonym(KEYS, "", same), device_pseudonym(KEYS, same), new_uid(KEYS, same)}

    assert len({one[:16] for one in names}) == 4
