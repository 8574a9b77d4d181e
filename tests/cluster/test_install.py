"""The chart from first to last on a real cluster: install, stream while pods die, upgrade, roll back, test, uninstall.

Run it by `make cluster-test`.
"""

import itertools
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from osteon_ingest.identity import Keys, image_id

from ..faults.radiographs import Radiograph, write_radiographs
from ..faults.senders import Sender, read_logs
from .bundle import Bundle
from .cluster import Cluster, until
from .release import PARTS, PATIENCE_S, Door, Release

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

N_IMAGES = int(os.environ.get("IMAGES") or "200")
SEED = int(os.environ.get("SEED") or "1")
APART_S = 1.5  # between two images
STRIKE_S = 120.0  # so long images come at least while pods die; to strike each part once takes about that
UPGRADE_S = 150.0  # so long images come at least while it is upgraded and rolled back
EVERY_S = (4.0, 12.0)  # between two deletions of a pod
KEPT_SECRETS = ("site-key", "tokens", "store-identities", "kafka-users", "authority")
KEPT_VOLUMES = ("kafka", "store", "console")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def sending(door: Door, images: Sequence[Radiograph], spread_s: float, logs: Path) -> list[Sender]:
    """Senders that have begun."""
    senders = door.senders(images, spread_s, logs, SEED)
    for sender in senders:
        sender.start()
    return senders


def strike(release: Release, stop: threading.Event, struck: list[str]) -> None:
    """Delete a pod every few seconds, half of them without a chance to say goodbye, and note in `struck` of which part.

    Each part comes once, and then they come by chance.

    The door comes back between two strokes, or no image would ever get in: it is ready only while Kafka and the store
    are.
    """
    rng = random.Random(SEED)
    due = rng.sample(PARTS, len(PARTS))
    while not stop.wait(rng.uniform(*EVERY_S)):
        part = due.pop() if due else rng.choice(PARTS)
        grace = ("--grace-period=0", "--force") if rng.random() < 0.5 else ()
        chosen = f"app.kubernetes.io/instance={release.name},app.kubernetes.io/component={part}"
        release.cluster.run("kubectl", "delete", "pod", "--selector", chosen, "--wait=false", *grace)
        struck.append(part)
        back_s = until(lambda: is_open(release) or stop.is_set(), "the door is open again", within_s=300)
        say(f"struck {part}{' at once' if grace else ''}; the door was open again after {back_s:.0f} s")


def is_open(release: Release) -> bool:
    """Whether a door is ready."""
    chosen = f"app.kubernetes.io/instance={release.name},app.kubernetes.io/component=ingest"
    return any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for pod in release.cluster.get("pods", "--selector", chosen)
        if "deletionTimestamp" not in pod["metadata"]
        for condition in pod["status"].get("conditions", ())
    )


def left_of(senders: Iterable[Sender], striker: "Future[None]") -> int:
    """How many images are not taken yet; raises what the striker met."""
    if striker.done():
        striker.result()
    return sum(one.n_left for one in senders)


def longest_pause_s(moments: Sequence[float], began: float, ended: float) -> float:
    """The longest time between two of the moments, as far as it lies between two others."""
    edges = [began, *sorted(one for one in moments if began < one < ended), ended]
    return max(later - earlier for earlier, later in itertools.pairwise(edges))


def said_of_a_wrong_password(release: Release) -> str:
    """What the doctor says where the broker does not take the password that it is given."""
    command = ("env", "OSTEON_KAFKA_PASSWORD=wrong", "osteon", "doctor")
    with pytest.raises(AssertionError) as found:
        release.cluster.run("kubectl", "exec", f"deploy/{release.name}-desk", "--", *command, within_s=300)
    return str(found.value)


def test_nothing_is_lost_or_doubled_from_install_to_uninstall(
    cluster: Cluster, bundle: Bundle, earlier: Bundle, tmp_path: Path
) -> None:
    release = Release(cluster, earlier.chart)
    say(f"\ninstalled and ready after {release.change('install'):.0f} s")
    say(f"memory at rest: {release.memory_bytes() / 1e9:.1f} GB")
    keys = Keys.from_site_key(release.secret("site-key", "site-key"))
    images = list(write_radiographs(tmp_path / "images", N_IMAGES, SEED))
    door = release.door(tmp_path)
    began = time.time()

    # 1. Half of the images while pods die, the other half through an upgrade and a rollback.
    stop, struck, spread_s = threading.Event(), list[str](), APART_S * N_IMAGES / 2
    senders = sending(door, images[: N_IMAGES // 2], max(spread_s, STRIKE_S), tmp_path / "logs" / "struck")
    with ThreadPoolExecutor(1) as threads:
        striker = threads.submit(strike, release, stop, struck)
        try:
            until(
                lambda: left_of(senders, striker) == 0 and set(struck) == set(PARTS),
                "half of the images are taken, and each part was struck",
                within_s=PATIENCE_S,
            )
        finally:
            stop.set()
    striker.result()
    say(f"half of the images were taken after {time.time() - began:.0f} s, and {len(struck)} pods deleted")
    upgraded = time.time()
    senders = sending(door, images[N_IMAGES // 2 :], max(spread_s, UPGRADE_S), tmp_path / "logs" / "upgraded")
    upgrade = Release(cluster, bundle.chart)
    say(f"upgraded within {upgrade.change('upgrade', '--set', 'settings.log_level=DEBUG'):.0f} s")
    say(f"rolled back within {release.change('rollback', '1'):.0f} s")
    if earlier is not bundle:  # what comes next is asked of the later one
        say(f"upgraded again within {upgrade.change('upgrade'):.0f} s")
    for sender in senders:
        sender.join(PATIENCE_S)
    ended = time.time()

    # 2. Each image that was acknowledged has one outcome, the one that it should have.
    log = [line for part in ("struck", "upgraded") for line in read_logs(tmp_path / "logs" / part)]
    taken = {image_id(keys, one.uid) for one in log if one.said == "acknowledged"}
    assert len(taken) == N_IMAGES
    until(lambda: taken <= set(release.outcomes()), "each image has an outcome", within_s=PATIENCE_S)
    say(f"{N_IMAGES} images had their outcomes after {time.time() - began:.0f} s")
    found = release.outcomes()
    assert {one: ends for one, ends in found.items() if len(ends) != 1} == {}
    expected = Counter(one.expected == "classified" for one in images)
    assert Counter(end.topic == "osteon.image.classified" for (end,) in found.values()) == expected
    ends = [end.at_s for (end,) in found.values()]
    say(f"longest pause between two outcomes meanwhile: {longest_pause_s(ends, upgraded, ended):.0f} s")
    say(f"{sum(one.said == 'refused' for one in log)} times a sender had to try again")

    # 3. A phantom finds its way, the doctor finds nothing, and a wrong password is told.
    cluster.run("helm", "test", release.name, "--timeout", "600s", within_s=660)
    cluster.run("kubectl", "exec", f"deploy/{release.name}-desk", "--", "osteon", "doctor", within_s=300)
    (told,) = [line for line in said_of_a_wrong_password(release).splitlines() if "✗ kafka:" in line]
    say(told)
    assert "the user desk" in told
    assert "OSTEON_KAFKA_PASSWORD" in told

    # 4. The uninstall leaves what must be kept.
    cluster.run("helm", "uninstall", release.name, "--wait", "--timeout", "300s", within_s=360)
    kept = {("Secret", f"{release.name}-{one}") for one in KEPT_SECRETS}
    kept |= {("PersistentVolumeClaim", f"data-{release.name}-{one}-0") for one in KEPT_VOLUMES}
    of_the_test = {(kind, f"{release.name}-test") for kind in ("Pod", "ConfigMap")}  # stay until the next
    until(lambda: release.objects() <= kept | of_the_test, "all other objects are gone", within_s=120)
    assert release.objects() - of_the_test == kept
