"""What is released, what is in force, and what a Triton has to serve.

card.py         what a model takes and gives, what it is for
"""

from osteon.release.card import Calibration, Card, Cohort, Privacy, Scope, Tensor

__all__ = ["Calibration", "Card", "Cohort", "Privacy", "Scope", "Tensor"]
