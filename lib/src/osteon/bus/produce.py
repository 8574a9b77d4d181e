"""From outcomes to records: what one transaction will write."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from osteon.bus.outcome import Aside, Dead, Done, Item, kebab
from osteon.bus.record import REPLAY_OF, Outgoing, Sending, event_headers, header, sending
from osteon.bus.state import State
from osteon.contracts import DeadLetter, ImageSetAside, OriginalRecord
from osteon.contracts.topics import DEAD_LETTER, IMAGE_SET_ASIDE
from osteon.errors import OsteonError, SetAside

__all__ = ["KINDS", "TOO_LARGE", "Settle", "Turn", "outgoing", "sendings", "settled", "tell"]

Settle = Callable[[Sequence[Outgoing], State], Sequence[Outgoing]]
TOO_LARGE = "record-too-large"
KINDS = ("done", "duplicate", "set-aside", "dead-letter")
# Messages of the path name the image alike, so that whoever sets it aside can say which one.
COPIED = ("image_id", "site", "patient")


@dataclass
class Turn:
    """What one transaction will hold: its records, the items that they come from, the reasons of dead letters."""

    sendings: list[Sending] = field(default_factory=list)
    owners: list[Item] = field(default_factory=list)  # one a sending: the item that it comes from
    items: list[Item] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)  # one an item; empty unless it is a dead letter
    outcomes: list[tuple[str, str]] = field(default_factory=list)  # one an item: its kind and reason, for the metrics
    has_brake: bool = False


def settled(item: Item, outcome: Done | Aside | Dead, settle: Settle | None, state: State) -> Done | Aside | Dead:
    """`outcome` after the part that depends on the order. Raises nothing: an error in `settle` is an outcome."""
    if not isinstance(outcome, Done) or settle is None or not outcome.outputs:
        return outcome
    try:
        return Done(tuple(settle(outcome.outputs, state)))
    except SetAside as error:
        return Aside(error.reason, str(error))
    except OsteonError as error:
        return Dead(getattr(error, "reason", kebab(error)), str(error), item.died + 1)
    except Exception as error:  # noqa: BLE001 - the top of a stage: every record gets an outcome
        return Dead(kebab(error), "", item.died + 1)


def sendings(stage: str, site: str, item: Item, outputs: Sequence[Outgoing], state: State) -> list[Sending]:
    """`outputs` of an item as records; those for the state topic stay in its partition and are remembered."""
    record = item.record
    traceparent = header(record.headers, "traceparent")
    carried = [(name, value) for name, value in record.headers if name == REPLAY_OF]
    made = []
    for number, one in enumerate(outputs):
        event_id = f"{record.topic}/{record.partition}/{record.offset}/{number}"
        headers = event_headers(one.message, f"osteon/{site}/{stage}", traceparent, event_id, carried)
        is_state = state.topic is not None and one.topic.name == state.topic.name
        made.append(sending(one, headers, record.partition if is_state else None))
        if is_state:
            state.put(one.key_bytes.decode(), None if one.removes else one.message)
    return made


def outgoing(stage: str, item: Item, outcome: Done | Aside | Dead) -> Sequence[Outgoing]:
    """The messages that an outcome consists of."""
    if isinstance(outcome, Done):
        return outcome.outputs
    if isinstance(outcome, Aside):
        return [Outgoing(IMAGE_SET_ASIDE, _set_aside(stage, item.message, outcome))]
    return [Outgoing(DEAD_LETTER, _dead_letter(stage, item, outcome))]


def _set_aside(stage: str, message: Message | None, outcome: Aside) -> ImageSetAside:
    made = ImageSetAside(stage=stage, reason=outcome.reason, explanation=outcome.explanation)
    if message is None:
        return made
    known = message.DESCRIPTOR.fields_by_name
    for name in COPIED:
        if name in known:
            setattr(made, name, getattr(message, name))
    for name in ("object", "received_at"):
        if name in known and message.HasField(name):
            getattr(made, name).CopyFrom(getattr(message, name))
    return made


def _dead_letter(stage: str, item: Item, outcome: Dead) -> DeadLetter:
    record = item.record
    at = Timestamp()
    at.GetCurrentTime()
    is_whole = outcome.reason != TOO_LARGE
    return DeadLetter(
        id=_dead_letter_id(stage, item),
        stage=stage,
        reason=outcome.reason,
        explanation=outcome.explanation,
        attempts=outcome.attempts,
        image_id=getattr(item.message, "image_id", ""),
        original=OriginalRecord(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=record.key,
            value=(record.value or b"") if is_whole else b"",
            headers=dict(record.headers) if is_whole else {},
        ),
        at=at,
    )


def _dead_letter_id(stage: str, item: Item) -> str:
    """Unique, and the same however often the record is worked."""
    record = item.record
    return f"{stage}/{record.topic}/{record.partition}/{record.offset}"


def tell(outcome: Done | Aside | Dead) -> tuple[str, str]:
    """The kind of an outcome and its reason, as the metrics name them."""
    if isinstance(outcome, Done):
        # `settle` may set aside too: work that wants to be remembered hands it the message instead of raising.
        reasons = [one.message.reason for one in outcome.outputs if isinstance(one.message, ImageSetAside)]
        if reasons:
            return "set-aside", reasons[0]
        return ("done" if outcome.outputs else "duplicate"), ""
    return ("set-aside" if isinstance(outcome, Aside) else "dead-letter"), outcome.reason
