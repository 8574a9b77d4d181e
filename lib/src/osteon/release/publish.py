"""Make, use, roll back and retire release sets: everything that writes to the release topics."""

from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from osteon import contracts
from osteon.bus import Bus, Outgoing
from osteon.contracts.topics import MODEL_IN_FORCE, MODEL_RELEASED
from osteon.errors import Fatal
from osteon.release.parity import difference, read_parity, run_onnx
from osteon.release.release_set import check_fit, set_id
from osteon.release.releases import IN_FORCE, Releases
from osteon.release.repository import Folder, upload
from osteon.runtime import trace
from osteon.store import Store

__all__ = ["Measured", "check_parity", "check_set", "find", "make", "retire", "rollback", "use"]

SOURCE = "osteon/release"


@dataclass(frozen=True)
class Measured:
    """How far a model's outputs on bare ONNX Runtime lie from the recorded ones, and how far they may."""

    name: str
    difference: float
    tolerance: float


def check_parity(folder: Folder) -> Measured:
    """Run the model on its parity inputs. Raises Fatal if the outputs are not the recorded ones."""
    card = folder.card
    try:
        measured = Measured(
            card.name, difference(read_parity(folder.parity, card), run_onnx(folder.onnx, card)), card.tolerance
        )
    except ValueError as error:
        raise Fatal(str(error)) from None
    if measured.difference > measured.tolerance:
        raise Fatal(
            f"{card.name}: on ONNX Runtime an output lies {measured.difference:.3g} from the recorded one, "
            f"the card allows {measured.tolerance:.3g}; export the model again"
        )
    return measured


def check_set(harmonizer: Folder, classifier: Folder) -> None:
    """Raise Fatal unless these two fit together."""
    try:
        check_fit(harmonizer.card, classifier.card)
    except ValueError as error:
        raise Fatal(f"these models are no set: {error}") from None


def make(bus: Bus, store: Store, releases: Releases, harmonizer: Folder, classifier: Folder) -> str:
    """Release the two models as a set, and return its id. It is not put in force.

    Safe to repeat: the same files are the same set. Raises Fatal if the two don't fit together, if one
    fails its parity check, or if its version is taken by other bytes.
    """
    check_set(harmonizer, classifier)
    for folder in (harmonizer, classifier):
        check_parity(folder)
    record = contracts.ReleaseSet(harmonizer=upload(store, harmonizer), classifier=upload(store, classifier))
    record.id = set_id(record.harmonizer, record.classifier)
    releases.refresh()
    known = releases.released()
    if any(other.id == record.id for other in known):
        return record.id
    for model in (record.harmonizer, record.classifier):
        _refuse_taken_version(model, known)
    record.released_at.CopyFrom(_now())
    _publish(bus, Outgoing(MODEL_RELEASED, record))
    releases.refresh()
    return record.id


def use(bus: Bus, releases: Releases, release_set: str, ready: Callable[[str], None] = lambda _: None) -> None:
    """Put a released set in force. `ready` is called before the switch and raises if nothing serves the set."""
    set_id = find(releases, release_set)
    current = releases.in_force_record()
    if current is not None and current.release_set == set_id:
        return
    ready(set_id)
    record = contracts.ReleaseInForce(release_set=set_id, previous=current.release_set if current else "", since=_now())
    _publish(bus, Outgoing(MODEL_IN_FORCE, record, key=IN_FORCE))
    releases.refresh()


def rollback(bus: Bus, releases: Releases, ready: Callable[[str], None] = lambda _: None) -> str:
    """Put the set in force that was in force before, and return its id. Done twice, it leads back again."""
    releases.refresh()
    current = releases.in_force_record()
    if current is None or not current.previous:
        raise Fatal("nothing was in force before, so there is nothing to go back to")
    use(bus, releases, current.previous, ready)
    return current.previous


def retire(bus: Bus, releases: Releases, release_set: str) -> str:
    """Take a set out of use and return its id; its models are unloaded. The set in force can't be retired."""
    set_id = find(releases, release_set)
    current = releases.in_force_record()
    if current is not None and current.release_set == set_id:
        raise Fatal(f"release set {set_id} is in force; put another in force first: `osteon release use ID`")
    publisher = bus.publisher(source=SOURCE)
    try:
        publisher.remove(MODEL_RELEASED, set_id)
    finally:
        publisher.close()
    releases.refresh()
    return set_id


def find(releases: Releases, beginning: str) -> str:
    """The id of the one released set whose id begins so. Raises Fatal if there is none, or several."""
    releases.refresh()
    known = [record.id for record in releases.released()]
    found = [known_id for known_id in known if beginning and known_id.startswith(beginning)]
    if len(found) == 1:
        return found[0]
    if found:
        raise Fatal(f"{beginning} may be any of {', '.join(found)}; give more digits")
    raise Fatal(f"no release set {beginning!r}; released are: {', '.join(known) or 'none'}")


def _refuse_taken_version(model: contracts.Model, known: tuple[contracts.ReleaseSet, ...]) -> None:
    """Triton tells models apart by name and version alone, so one version has the same bytes for ever."""
    for other in known:
        for theirs in (other.harmonizer, other.classifier):
            if (theirs.name, theirs.version) == (model.name, model.version) and theirs.onnx.sha256 != model.onnx.sha256:
                raise Fatal(
                    f"{model.name} version {model.version} is released with other bytes in set {other.id}; "
                    "raise the version on the card"
                )


def _publish(bus: Bus, outgoing: Outgoing) -> None:
    publisher = bus.publisher(source=SOURCE)
    try:
        publisher.publish(outgoing, trace.new())
    finally:
        publisher.close()


def _now() -> Timestamp:
    now = Timestamp()
    now.GetCurrentTime()
    return now
