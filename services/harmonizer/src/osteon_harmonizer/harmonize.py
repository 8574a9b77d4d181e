"""Harmonize: image.deidentified in, image.harmonized out."""

import sys
from collections.abc import Sequence

from osteon.bus import Context, Outgoing, Stage
from osteon.contracts import ImageDeidentified, ImageHarmonized
from osteon.contracts.topics import IMAGE_DEIDENTIFIED, IMAGE_HARMONIZED
from osteon.errors import SetAside
from osteon.imaging.derived import derived_dicom
from osteon.imaging.dicom import read_dataset, read_image
from osteon.imaging.geometry import to_reference
from osteon.imaging.image import Image
from osteon.imaging.intensity import changed_share
from osteon.release import Card, Releases, Triton
from osteon.runtime import Settings, metrics
from osteon.store import Store

__all__ = ["harmonize", "make_stage"]


def harmonize(reference: Image, card: Card, triton: Triton) -> Image:
    """An image of the card's geometry in its reference appearance: pixels in [0, 1].

    Raises Passing if Triton does not answer.
    """
    batch = reference.pixels[None, None]  # (1, 1, H, W)
    harmonized = triton.infer(card, {card.inputs[0].name: batch})[card.outputs[0].name]
    return Image(pixels=harmonized[0, 0], spacing_mm=reference.spacing_mm)


def make_stage(settings: Settings, store: Store, releases: Releases, triton: Triton) -> Stage:
    """The stage that harmonizes with the release set in force and stamps that set into each record."""

    def work(message: ImageDeidentified, _: Context) -> Sequence[Outgoing]:
        release_set = releases.in_force()
        refused = release_set.harmonizer.scope.admits(message.acquisition)
        if refused:
            raise SetAside("out-of-scope", refused)
        original = read_dataset(store.get(message.object, "images"))
        reference = to_reference(read_image(original), release_set.harmonizer.geometry)
        harmonized = harmonize(reference, release_set.harmonizer, triton)
        changed = changed_share(reference.pixels, harmonized.pixels)
        metrics.HARMONIZED_CHANGE.labels(message.site).observe(changed)
        derived = derived_dicom(original, harmonized, role="harmonized", release_set=release_set.id)
        record = ImageHarmonized(
            image_id=message.image_id,
            site=message.site,
            patient=message.patient,
            object=store.put("harmonized", derived, "application/dicom"),
            original=message.object,
            acquisition=message.acquisition,
            release_set=release_set.id,
            received_at=message.received_at,
        )
        return [Outgoing(IMAGE_HARMONIZED, record)]

    metrics.HARMONIZED_CHANGE.labels(settings.site)  # tells zeros from the start
    return Stage(
        name="harmonize",
        site=settings.site,
        ordinal=settings.ordinal,
        consumes=IMAGE_DEIDENTIFIED,
        work=work,
        # A Triton that restarted empty is as good as away until its reconciler has loaded it.
        probes={"store": store.probe, "triton": lambda: triton.probe(releases.cards("harmonizer"))},
        isolate=[sys.executable, "-m", "osteon_harmonizer", "work-one"],
    )
