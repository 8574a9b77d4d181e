"""What is released, what is in force, and what a Triton has to serve.

card.py         what a model takes and gives, what it is for, how it came about
release_set.py  harmonizer and classifier that go together
parity.py       the same inputs give the same outputs, whoever runs the model
repository.py   a model's files: in a folder, in the store, in Triton's repository
releases.py     what is released and in force, followed on the bus
publish.py      make, use, roll back, retire
triton.py       Triton over gRPC
reconcile.py    beside each Triton, for ever: load what is released
process.py      the process of a stage that asks released models
commands.py     `osteon release …`
"""

from osteon.release.card import Calibration, Card, Cohort, Privacy, Scope, Tensor
from osteon.release.parity import write_parity
from osteon.release.release_set import ReleaseSet
from osteon.release.releases import Releases
from osteon.release.triton import Triton

__all__ = [
    "Calibration",
    "Card",
    "Cohort",
    "Privacy",
    "ReleaseSet",
    "Releases",
    "Scope",
    "Tensor",
    "Triton",
    "write_parity",
]
