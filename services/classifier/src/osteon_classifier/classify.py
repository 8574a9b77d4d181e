"""Classify: image.harmonized in, image.classified out."""

import sys
from collections.abc import Sequence

from osteon.bus import Context, Outgoing, Stage
from osteon.contracts import ImageClassified, ImageHarmonized
from osteon.contracts.topics import IMAGE_CLASSIFIED, IMAGE_HARMONIZED
from osteon.imaging.dicom import read_image
from osteon.imaging.image import Image
from osteon.release import Card, Releases, Triton
from osteon.runtime import Settings, metrics
from osteon.store import Store

__all__ = ["classify", "make_stage"]


def classify(image: Image, card: Card, triton: Triton) -> float:
    """The calibrated probability, 0 to 1, of the card's last label in a harmonized image.

    Raises Passing if Triton does not answer.
    """
    batch = image.pixels[None, None]  # (1, 1, H, W)
    logit = float(triton.infer(card, {card.inputs[0].name: batch})[card.outputs[0].name][0, 0])
    assert card.calibration is not None  # no classifier's card is without one
    return card.calibration.probability(logit)


def make_stage(settings: Settings, store: Store, releases: Releases, triton: Triton) -> Stage:
    """The stage that classifies each image with the very release set that harmonized it."""

    def work(message: ImageHarmonized, _: Context) -> Sequence[Outgoing]:
        card = releases.get(message.release_set).classifier
        assert card.operating_point is not None
        probability = classify(read_image(store.get(message.object, "harmonized")), card, triton)
        metrics.PROBABILITY.labels(message.site).observe(probability)
        record = ImageClassified(
            image_id=message.image_id,
            site=message.site,
            patient=message.patient,
            release_set=message.release_set,
            label=card.labels[-1],
            probability=probability,
            above_operating_point=probability >= card.operating_point,
            harmonized=message.object,
            original=message.original,
            acquisition=message.acquisition,
            received_at=message.received_at,
        )
        return [Outgoing(IMAGE_CLASSIFIED, record)]

    metrics.PROBABILITY.labels(settings.site)  # tells zeros from the start
    return Stage(
        name="classify",
        site=settings.site,
        ordinal=settings.ordinal,
        consumes=IMAGE_HARMONIZED,
        work=work,
        # A Triton that restarted empty is as good as away until its reconciler has loaded it. After a switch there
        # are still images of the set before.
        probes={"store": store.probe, "triton": lambda: triton.probe(releases.cards("classifier", with_previous=True))},
        isolate=[sys.executable, "-m", "osteon_classifier", "work-one"],
    )
