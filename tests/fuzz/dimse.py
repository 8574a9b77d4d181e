"""Mutated conversations with the C-STORE door: PDUs, contexts, commands, and the files in them (PS3.8, PS3.7)."""

import contextlib
import random
import struct
import time

from tests.fuzz.door import MAX_OBJECT_BYTES, Door
from tests.fuzz.ledger import FOUND
from tests.fuzz.mutate import mutated
from tests.fuzz.stow import Sent, fresh

__all__ = ["conversation", "good_conversation", "held"]

ANSWER_S = 20.0
DX, ECHO, COMMITMENT = b"1.2.840.10008.5.1.4.1.1.1.1", b"1.2.840.10008.1.1", b"1.2.840.10008.1.20.1"
EXPLICIT, IMPLICIT = b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2"
STORE_RSP, UNEXPECTED = 0x8001, 0xC211  # the latter is what pynetdicom says for a handler that raised
WILD = (0, 1, 2, 3, 4, 0x7F, 0xFF, 0x100, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
COMMANDS = (0x0001, 0x0010, 0x0020, 0x0021, 0x0030, 0x0100, 0x0110, 0x0120, 0x0130, 0x0140, 0x0150, 0x0FFF, 0x8001,
            0x8030, 0x0000, 0xFFFF, 0x1234)  # fmt: skip


def pdu(kind: int, content: bytes, length: int | None = None) -> bytes:
    """A PDU; `length` is what it says of itself."""
    return struct.pack(">BBL", kind, 0, len(content) if length is None else length % 2**32) + content


def item(kind: int, content: bytes, length: int | None = None) -> bytes:
    """An item of an A-ASSOCIATE PDU."""
    return struct.pack(">BBH", kind, 0, (len(content) if length is None else length) % 2**16) + content


def associate(rng: random.Random | None = None) -> bytes:
    """A-ASSOCIATE-RQ for storage, echo and storage commitment; something of it is wrong if there is an `rng`."""
    contexts = [(1, DX, [EXPLICIT, IMPLICIT]), (3, ECHO, [IMPLICIT]), (5, COMMITMENT, [EXPLICIT])]
    wrong = rng.randrange(9) if rng else -1
    if rng and wrong == 0:
        contexts = [
            (rng.randrange(256), rng.choice((DX, b"", b"x" * 70, b"1.2.3")), [rng.randbytes(9)]) for _ in range(200)
        ]
    if rng and wrong == 1:
        contexts = [(1, DX, [EXPLICIT] * 2000)]
    items = [item(0x10, b"1.2.840.10008.3.1.1.1" if wrong != 2 else b"1.2.3")]
    for number, syntax, transfers in contexts:
        content = (
            struct.pack(">BBBB", number, 0, 0, 0) + item(0x30, syntax) + b"".join(item(0x40, one) for one in transfers)
        )
        items.append(item(0x20, content))
    user = item(0x51, struct.pack(">L", rng.choice(WILD) if rng and wrong == 3 else 16384)) + item(0x52, b"1.2.3.4")
    if rng and wrong == 4:  # negotiations of PS3.7 D.3: roles, windows, identities
        user += b"".join(item(rng.randrange(0x50, 0x5A), rng.randbytes(rng.choice((0, 1, 4, 30)))) for _ in range(5))
    items.append(item(0x50, user, rng.choice(WILD) if rng and wrong == 5 else None))
    if rng and wrong == 6:
        rng.shuffle(items)
        items += items[:1] * 300
    names = b"OSTEON".ljust(16) + (b"FUZZ".ljust(16) if wrong != 7 else b"\0\xff\\" * 5 + b"\n")
    return pdu(0x01, struct.pack(">HH", 1 if wrong != 8 else 0xFFFF, 0) + names + b"\0" * 32 + b"".join(items))


def command(fields: dict[int, bytes]) -> bytes:
    """A command set: elements of group 0000, implicit little endian."""
    body = b"".join(struct.pack("<HHL", 0, tag, len(value)) + value for tag, value in sorted(fields.items()))
    return struct.pack("<HHLL", 0, 0, 4, len(body)) + body


def data(context: int, header: int, content: bytes, length: int | None = None) -> bytes:
    """P-DATA-TF with one fragment."""
    told = len(content) + 2 if length is None else length % 2**32
    return pdu(0x04, struct.pack(">LBB", told, context, header) + content)


def store(rng: random.Random, content: bytes, uid: bytes) -> list[bytes]:
    """C-STORE-RQ and its data set, in fragments."""
    fields = {0x0002: DX + b"\0", 0x0100: b"\1\0", 0x0110: b"\7\0", 0x0700: b"\0\0", 0x0800: b"\0\0",
              0x1000: uid + b"\0" * (len(uid) % 2)}  # fmt: skip
    return [data(1, 3, command(fields)), *_fragments(rng, content)]


def good_conversation(rng: random.Random) -> list[bytes]:
    """A conversation whose image must be answered with success, unless the store refuses it."""
    content = fresh(rng)
    return [associate(), *store(rng, _dataset(content), _uid(content)), pdu(0x05, b"\0" * 4)]


def conversation(seed: int, number: int) -> list[bytes]:
    """Conversation `number`: PDUs in the order in which they are sent."""
    rng = random.Random(f"dimse {seed} {number}")
    content = fresh(rng)
    pdus = [associate(rng if rng.random() < 0.25 else None)]
    for _ in range(rng.choice((1, 1, 2, 4))):
        kind = rng.random()
        if kind < 0.4:
            pdus += store(rng, _dataset(content), _uid(content))
        elif kind < 0.6:
            pdus += store(rng, _dataset(mutated(seed, number).content)[: 2 * MAX_OBJECT_BYTES], _uid(content))
        elif kind < 0.8:
            pdus += _wild_command(rng)
        else:
            pdus += _wild_data(rng)
    pdus.append(pdu(0x05, b"\0" * 4))
    for _ in range(rng.choice((0, 0, 1, 1, 2, 5))):
        _spoil(rng, pdus)
    return pdus


def held(door: Door, pdus: list[bytes]) -> Sent:
    """What comes of a conversation; a success for what is not safe, or no end within `ANSWER_S`, is a finding."""
    deadline = time.monotonic() + ANSWER_S
    answers = bytearray()
    try:
        with door.connect(ANSWER_S) as line:
            line.sendall(pdus[0])
            line.settimeout(3.0)
            with contextlib.suppress(TimeoutError):
                answers += line.recv(65536)  # data that comes before it has accepted is refused
            line.settimeout(ANSWER_S)
            try:
                for one in pdus[1:]:
                    line.sendall(one)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it answered already
            while piece := line.recv(65536):
                answers += piece
                if time.monotonic() > deadline:
                    return Sent(f"{FOUND}no end within {ANSWER_S:.0f} s")
    except TimeoutError:
        return Sent(f"{FOUND}no end within {ANSWER_S:.0f} s")
    except (ConnectionResetError, BrokenPipeError):
        pass
    return _judged(door, bytes(answers))


def _judged(door: Door, answers: bytes) -> Sent:
    kinds, statuses = [], []
    at = 0
    while at + 6 <= len(answers):
        kind, length = answers[at], int.from_bytes(answers[at + 2 : at + 6], "big")
        if kind == 0x04:
            statuses.append(_status(answers[at + 12 : at + 6 + length]))
        kinds.append({2: "accepted", 3: "rejected", 6: "released", 7: "aborted"}.get(kind, ""))
        at += 6 + length
    for field, status, uid in statuses:
        if field == STORE_RSP and status == UNEXPECTED:
            return Sent(f"{FOUND}the handler raised")
        if field == STORE_RSP and status == 0 and not door.is_safe(uid):
            return Sent(f"{FOUND}success for what is not safe")
    told = [f"{status:04X}" for _, status, _ in statuses]
    end = next((one for one in reversed(kinds) if one in ("rejected", "released", "aborted")), "closed")
    stored = tuple(uid for field, status, uid in statuses if field == STORE_RSP and status == 0)
    return Sent(f"{end}{', ' + told[0] if told else ''}", stored)


def _status(fields: bytes) -> tuple[int, int, str]:
    """Command field, status and instance of a response."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 8 <= len(fields):
        tag, length = (
            int.from_bytes(fields[at + 2 : at + 4], "little"),
            int.from_bytes(fields[at + 4 : at + 8], "little"),
        )
        found[tag] = fields[at + 8 : at + 8 + length]
        at += 8 + length
    number = {tag: int.from_bytes(found.get(tag, b"")[:2], "little") for tag in (0x0100, 0x0900)}
    return number[0x0100], number[0x0900], found.get(0x1000, b"").decode("ascii", "replace").strip("\0 ")


def _wild_command(rng: random.Random) -> list[bytes]:
    """Commands that nobody expects, with fields that are missing, doubled, too long or too short."""
    fields = {0x0002: DX + b"\0", 0x0100: rng.choice(COMMANDS).to_bytes(2, "little"), 0x0110: b"\7\0",
              0x0120: b"\7\0", 0x0700: b"\0\0", 0x0800: rng.choice((b"\0\0", b"\1\1", b"")), 0x0900: b"\0\0",
              0x1000: b"1.2.3.4\0", 0x1002: b"\1\0", 0x1008: b"\1\0"}  # fmt: skip
    for _ in range(rng.randrange(4)):
        tag = rng.choice(list(fields))
        if rng.random() < 0.4:
            del fields[tag]
        else:
            fields[tag] = rng.choice((b"", b"\0", b"\xff\xff", b"1" * 65, b"x" * 2000, rng.randbytes(7)))
    content = bytearray(command(fields))
    if rng.random() < 0.3:
        content[rng.randrange(len(content))] = rng.randrange(256)
    return [data(rng.choice((1, 1, 3, 5, 7, 0)), 3, bytes(content)), *_fragments(rng, b"\x08\0\x16\0UI\2\0" + b"1\0")]


def _wild_data(rng: random.Random) -> list[bytes]:
    """Fragments without their command, without an end, empty, or with a wrong length; very many of them."""
    kind = rng.randrange(6)
    if kind == 0:
        return [data(1, rng.choice((0, 1, 2, 3, 0xFF)), rng.randbytes(rng.choice((0, 1, 100, 9000))))]
    if kind == 1:
        return [data(1, 3, rng.randbytes(40), rng.choice(WILD))]
    if kind == 2:
        return [pdu(0x04, b"")]
    if kind == 3:
        return [pdu(0x04, struct.pack(">L", 1) + b"\1"), pdu(0x04, struct.pack(">L", 0) * 50)]
    if kind == 4:  # a command without end
        return [data(1, 1, bytes(60_000))] * rng.choice((1, 40))
    return [data(1, 0, bytes(60_000))] * rng.choice((1, 40))


def _spoil(rng: random.Random, pdus: list[bytes]) -> None:
    """Change the PDUs themselves: their bytes, order or number."""
    at = rng.randrange(len(pdus))
    one = bytearray(pdus[at])
    if not one:  # an earlier change has emptied it
        return
    kind = rng.randrange(9)
    if kind == 0:
        one[0] = rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 0xFF))
    elif kind == 1:
        one[2:6] = struct.pack(">L", rng.choice((*WILD, len(one) - 5, len(one) - 7)))
    elif kind == 2:
        for _ in range(rng.choice((1, 4, 30))):
            one[rng.randrange(min(len(one), 300))] = rng.randrange(256)
    elif kind == 3:
        del one[rng.randrange(len(one)) :]
    elif kind == 4:
        pdus.insert(at, bytes(one))
    elif kind == 5 and len(pdus) > 1:
        del pdus[at]
        return
    elif kind == 6:
        rng.shuffle(pdus)
        return
    elif kind == 7:
        pdus.insert(
            at, rng.choice((pdu(0x06, b"\0" * 4), pdu(0x07, b"\0" * 4), associate(), rng.randbytes(50), pdu(0x02, b"")))
        )
        return
    else:
        one += rng.randbytes(rng.choice((1, 6, 100)))
    pdus[at] = bytes(one)


def _fragments(rng: random.Random, content: bytes) -> list[bytes]:
    size = rng.choice((500, 16_000, 120_000)) if len(content) < 100_000 else 120_000
    cuts = range(0, max(1, len(content)), size)
    return [data(1, 2 if at + size >= len(content) else 0, content[at : at + size]) for at in cuts]


def _dataset(content: bytes) -> bytes:
    """A file without preamble and file meta."""
    at = content.find(b"\x08\0", 132)
    return content[at:] if at > 0 else content


def _uid(content: bytes) -> bytes:
    at = content.index(b"\x08\0\x18\0UI") + 8
    size = int.from_bytes(content[at - 2 : at], "little")
    return content[at : at + size].rstrip(b"\0")
