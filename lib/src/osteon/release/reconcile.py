"""Reconcile: beside each Triton, for ever, bring what that server has loaded to what is released.

A restarted Triton starts empty, so nothing is remembered of it: each round asks the server what it has.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from osteon import contracts
from osteon.errors import OsteonError, Passing
from osteon.release.card import Card
from osteon.release.parity import Arrays, difference, read_parity
from osteon.release.release_set import ReleaseSet
from osteon.release.releases import Releases
from osteon.release.repository import (
    BUCKET,
    MAX_BATCH,
    configuration,
    entries,
    loaded_sha256,
    remove_entry,
    write_entry,
)
from osteon.release.triton import Triton, by_model
from osteon.runtime import logs, metrics
from osteon.runtime.health import Health
from osteon.store import Store

__all__ = ["Reconciler", "check_served", "is_served", "run_triton"]

ROUND_S = 1.0  # a restarted Triton is empty for about this long; a round is one request a model
REFUSED_ROUNDS = 30  # a model that Triton refused is tried again after so many rounds: loading is dear
CHECK_ROUNDS = 30  # a model whose backend died stays "ready": its parity is checked so often, a second's work
LOGGER = logs.logger(__name__)

Versions = Mapping[int, tuple[Card, contracts.Model]]


def is_served(triton: Triton, model: contracts.Model) -> bool:
    """Whether `triton` answers for this name and version, from the very bytes that were released."""
    found = by_model(triton.loaded()).get(model.name, {}).get(model.version)
    if found is None or found.state != "READY":
        return False
    return loaded_sha256(triton.parameters(model.name, model.version), model.version) == model.onnx.sha256


def check_served(triton: Triton, store: Store, release_set: ReleaseSet) -> None:
    """Raise Passing("triton") unless `triton` serves both models of a set, with parity."""
    for card, model in release_set.models:
        if not is_served(triton, model):
            raise Passing("triton", f"Triton does not serve {model.name} version {model.version} yet")
        _check_parity(triton, store, card, model)


def run_triton(triton: Triton, card: Card, inputs: Arrays) -> Arrays:
    """The card's model on a batch of any size, in as many requests as it takes."""
    n_images = len(next(iter(inputs.values())))
    parts = [
        triton.infer(card, {name: array[start : start + MAX_BATCH] for name, array in inputs.items()})
        for start in range(0, n_images, MAX_BATCH)
    ]
    return {tensor.name: np.concatenate([part[tensor.name] for part in parts]) for tensor in card.outputs}


@dataclass(frozen=True)
class _Refused:
    """A configuration that this Triton would not load, and when to try it again."""

    configuration: str
    again_in_round: int


@final
class Reconciler:
    """One Triton and its local repository. `round` once, or `run` for ever; used by one thread."""

    def __init__(
        self, releases: Releases, store: Store, triton: Triton, repository: Path, *, n_instances: int = 1
    ) -> None:
        self._releases = releases
        self._store = store
        self._triton = triton
        self._repository = repository
        self._n_instances = n_instances
        self._n_rounds = 0
        self._checked: dict[Card, int] = {}  # the round in which parity held last, since the last load
        self._refused: dict[str, _Refused] = {}
        self._n_answered: dict[Card, int] = {}  # at the last check

    def run(self, stop: threading.Event, health: Health) -> None:
        """Round after round until `stop`. Whatever is away is waited for; only a fault of the program ends it."""
        before: tuple[str, ...] | None = None
        while not stop.is_set():
            wrong = self.round()
            health.alive()
            health.ready("models", self._serves_in_force(wrong))
            metrics.MODELS_WRONG.set(len(wrong))
            told = tuple(sorted(wrong.values()))
            if told != before:
                if told:
                    LOGGER.warning("triton does not serve what is released", extra={"why": told})
                else:
                    LOGGER.info("triton serves what is released")
                before = told
            stop.wait(ROUND_S)

    def round(self) -> dict[str, str]:
        """Bring the server one step nearer; what is still wrong, by model name ("" for the whole)."""
        self._n_rounds += 1
        wrong: dict[str, str] = {}
        try:
            wanted = self._wanted(wrong)
            self._triton.probe()
        except OsteonError as error:
            return {"": str(error)}
        for name, versions in wanted.items():
            try:
                self._bring(name, versions)
            except (OsteonError, ValueError) as error:
                wrong[name] = f"{name}: {error}"
            except OSError as error:
                wrong[name] = f"{name}: the repository can't be written ({error.strerror})"
        # A set that can't be read now may name any model, so then nothing is unloaded.
        if "" not in wrong:
            self._unload_others(frozenset(wanted), wrong)
        return wrong

    def _wanted(self, wrong: dict[str, str]) -> dict[str, dict[int, tuple[Card, contracts.Model]]]:
        """All models of all sets that are released and not retired, by name and version."""
        wanted: dict[str, dict[int, tuple[Card, contracts.Model]]] = {}
        for record in self._releases.released():
            try:
                models = self._releases.get(record.id).models
            except OsteonError as error:
                wrong[""] = str(error)
                continue
            for card, model in models:
                wanted.setdefault(model.name, {})[model.version] = (card, model)
        return wanted

    def _bring(self, name: str, versions: Versions) -> None:
        """1. Write what is missing. 2. Load, if the server has not these very bytes. 3. Check parity now and then."""
        if not all(is_served(self._triton, model) for _, model in versions.values()) or self._has_more(name, versions):
            self._load(name, versions)
        for card, model in versions.values():
            at = self._checked.get(card)
            if at is None or self._n_rounds >= at + CHECK_ROUNDS:
                self._check(card, model, was_well=at is not None)

    def _check(self, card: Card, model: contracts.Model, was_well: bool) -> None:
        """Check parity. A model that was well and answers nobody any more is unloaded: the next round loads it anew.

        One that answered others since the check before is only busy, and goes on.
        """
        n_before, self._n_answered = self._n_answered, self._n_answered | {card: self._triton.n_answered(card)}
        try:
            _check_parity(self._triton, self._store, card, model)
        except Passing as error:
            is_silent = n_before.get(card) == self._triton.n_answered(card)
            if was_well and is_silent and error.dependency == "triton":
                LOGGER.warning("model answers no more, loading it anew", extra={"model": model.name})
                self._forget(model.name)
                self._triton.unload(model.name)
            raise
        self._checked[card] = self._n_rounds

    def _forget(self, name: str) -> None:
        self._checked = {card: at for card, at in self._checked.items() if card.name != name}

    def _has_more(self, name: str, versions: Versions) -> bool:
        loaded = by_model(self._triton.loaded()).get(name, {})
        return any(one.state == "READY" and version not in versions for version, one in loaded.items())

    def _load(self, name: str, versions: Versions) -> None:
        newest_card, _ = versions[max(versions)]
        onnx = {version: model.onnx for version, (_, model) in versions.items()}
        text = configuration(newest_card, {v: ref.sha256 for v, ref in onnx.items()}, self._n_instances)
        refused = self._refused.get(name)
        if refused and refused.configuration == text and self._n_rounds < refused.again_in_round:
            raise Passing("triton", f"Triton refused model {name}; it is tried again soon")
        self._forget(name)
        write_entry(self._repository, text, name, onnx, self._store)
        try:
            self._triton.load(name)
        except OsteonError as error:
            if not isinstance(error, Passing):
                self._refused[name] = _Refused(text, self._n_rounds + REFUSED_ROUNDS)
            raise
        self._refused.pop(name, None)
        remove_entry(self._repository, name, keep=frozenset(versions))
        LOGGER.info("model loaded", extra={"model": name, "versions": sorted(versions)})

    def _unload_others(self, wanted: frozenset[str], wrong: dict[str, str]) -> None:
        """Unload what is retired. Models that others put into the repository are left alone."""
        for name in entries(self._repository) - wanted:
            try:
                if any(one.state == "READY" for one in by_model(self._triton.loaded()).get(name, {}).values()):
                    self._triton.unload(name)
                    LOGGER.info("model unloaded", extra={"model": name})
                remove_entry(self._repository, name)
                self._forget(name)
            except (OsteonError, OSError) as error:
                wrong[name] = f"{name}: retired, but not unloaded ({type(error).__name__})"

    def _serves_in_force(self, wrong: Mapping[str, str]) -> bool:
        """Whether the set in force is loaded, and its parity holds."""
        try:
            release_set = self._releases.in_force()
        except OsteonError:
            return False
        return not any(name in wrong for name in ("", release_set.harmonizer.name, release_set.classifier.name))


def _check_parity(triton: Triton, store: Store, card: Card, model: contracts.Model) -> None:
    """Raise Passing("triton") where the outputs through Triton are not the recorded ones."""
    try:
        parity = read_parity(store.get(model.parity, BUCKET), card)
    except ValueError as error:
        raise Passing("triton", str(error)) from None
    apart = difference(parity, lambda inputs: run_triton(triton, card, inputs))
    if apart > card.tolerance:
        raise Passing(
            "triton",
            f"through Triton an output of {card.name} version {card.version} lies {apart:.3g} from the recorded "
            f"one, the card allows {card.tolerance:.3g}",
        )
