"""A patient's femur: its measures in mm, drawn by sex, height and bone loss.

Frame: `s` runs down the axis from the level of the top of the head, `x` is lateral, `z` anterior.
"""

from dataclasses import dataclass

import numpy as np

from osteon.phantom.population import Label, Person

__all__ = ["Femur", "draw_femur"]

# Mean and deviation by sex, in mm: Austrians born 1822-1949 (Kanz et al., Anthropol Anz 2015;72:117-27): maximum
# length, head diameter, transverse and sagittal midshaft diameter, condylar width.
MEASURES = {
    "F": ((413.9, 16.3), (42.0, 2.1), (26.1, 2.0), (26.2, 1.8), (71.9, 3.8)),
    "M": ((449.7, 16.7), (47.0, 2.3), (27.9, 2.5), (28.3, 2.2), (79.6, 4.6)),
}


@dataclass(frozen=True)
class Femur:
    """Shape of one femur, without injury. Lengths in mm, angles in degrees.

    `lateral_mm` and `medial_mm` are the cortex at midshaft; bows are the sagitta of the axis. `density` scales cortical
    bone, `spongy` the volume share of spongy bone. `waviness` are phases of the unevenness of the canal.
    """

    length_mm: float
    head_mm: float  # diameter
    width_mm: float  # midshaft, transverse
    depth_mm: float  # midshaft, sagittal
    condyles_mm: float
    neck_shaft_deg: float
    offset_mm: float
    anteversion_deg: float
    lateral_mm: float
    medial_mm: float
    lateral_bow_mm: float
    anterior_bow_mm: float
    density: float
    spongy: float
    coarseness: float
    waviness: tuple[float, ...]

    def __post_init__(self) -> None:
        if not 0 < self.lateral_mm + self.medial_mm < self.width_mm:
            raise ValueError(f"cortices of {self.lateral_mm} and {self.medial_mm} mm do not fit in {self.width_mm} mm")

    @property
    def trochanter_mm(self) -> float:
        """Level of the tip of the greater trochanter: about that of the middle of the head."""
        return 0.5 * self.head_mm + 2.0

    @property
    def below_lesser_mm(self) -> float:
        """Level just distal to the lesser trochanter, where the shaft begins."""
        return self.trochanter_mm + 80.0 * self.length_mm / 430

    @property
    def flare_mm(self) -> float:
        """Level just proximal to the supracondylar flare, where the shaft ends."""
        return 0.76 * self.length_mm

    def bows_mm(self, s: float) -> tuple[float, float]:
        """How far the axis bows to lateral and anterior at a level."""
        shape = float(np.sin(np.pi * np.clip((s - 0.14 * self.length_mm) / (0.76 * self.length_mm), 0, 1)))
        return self.lateral_bow_mm * shape, self.anterior_bow_mm * shape


def draw_femur(person: Person, label: Label, rng: np.random.Generator) -> Femur:
    """The femur of a person; that of an atypical fracture is more often bowed, and its cortex thick."""
    length, head, width, depth, condyles = (
        mean + sd * float(0.6 * person.height_score + 0.8 * rng.normal()) for mean, sd in MEASURES[person.sex]
    )
    is_atypical = label.startswith("AFF")
    # 3D models of 1070 femurs (PMC4775021): neck-shaft angle median 122 with quartiles 118 and 126; version 14 with
    # quartiles 7 and 20. On films the angle reads higher: 129 (Toogood et al., Clin Orthop 2009;467:876-85); between.
    neck_shaft_deg = float(np.clip(rng.normal(126.0, 5.0), 110, 142))
    anteversion_deg = float(np.clip(rng.normal(16.0 if person.sex == "F" else 12.0, 9.0), -15, 40))
    # Both cortices are 53 % of the width below the trochanter in older women, users of bisphosphonates and others alike
    # (Bone 2014;62:64-6), and shrink with loss. In atypical fractures the lateral one is thicker (BioMed Res Int
    # 2017:5932496), by how much is a choice; the wide spread makes the classes overlap.
    share = 0.60 - 0.16 * person.bone_loss + float(rng.normal(0, 0.045)) + (0.025 if is_atypical else 0.0)
    share = float(np.clip(share, 0.28, 0.68))
    lateral_share = 0.49 + float(rng.normal(0, 0.03)) + (0.03 if is_atypical else 0.0)
    # Radius of the anterior bow 943 mm on average, less with age and in short femurs (PMC6177158): a chord of 0.62 of
    # the length has a sagitta of 9.4 mm. Lateral bow: a choice near Yoo et al. (Hip Pelvis 2017;29:127-32) for Asia,
    # less for Europe; one degree of angle is about 0.6 mm of sagitta.
    chord_mm = 0.62 * length
    radius_mm = float(np.clip(rng.normal(943, 160), 560, 1500))
    bow_deg = rng.normal(4.5, 3.0) if is_atypical else rng.normal(2.0, 2.2)
    return Femur(
        length_mm=length,
        head_mm=head,
        width_mm=width,
        depth_mm=depth,
        condyles_mm=condyles,
        neck_shaft_deg=neck_shaft_deg,
        offset_mm=0.92 * head + float(rng.normal(0, 3.5)),
        anteversion_deg=anteversion_deg,
        lateral_mm=share * lateral_share * width,
        medial_mm=share * (1 - lateral_share) * width,
        lateral_bow_mm=float(np.clip(0.6 * bow_deg, -2.0, 9.0)),
        anterior_bow_mm=chord_mm**2 / (8 * radius_mm),
        density=float(np.clip(1.02 - 0.12 * person.bone_loss + rng.normal(0, 0.03), 0.8, 1.08)),
        spongy=float(np.clip(0.30 - 0.17 * person.bone_loss + rng.normal(0, 0.02), 0.07, 0.34)),
        coarseness=float(np.clip(0.7 + 0.8 * person.bone_loss + rng.normal(0, 0.1), 0.5, 1.7)),
        waviness=tuple(float(phase) for phase in rng.uniform(0, 2 * np.pi, 12)),
    )
