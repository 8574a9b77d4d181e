"""What can go wrong, as four kinds; each tells the stage what to do next.

OsteonError
├── SetAside   the image has its outcome: it is set aside, for a reason that people understand
├── Passing    a dependency is away: wait and try again, which does not count as an attempt
├── Poison     this record can't be worked, whoever tries: to the dead letters
└── Fatal      this process can't go on: stop it
"""

from osteon.contracts.reasons import REASONS

__all__ = ["Fatal", "OsteonError", "Passing", "Poison", "SetAside"]


class OsteonError(Exception):
    """The root of the tree. The text says what happened, to which thing, and what to do next.

    It never holds patient data: texts end up in logs, in topics and on pages.
    """


class SetAside(OsteonError):
    """An image that Osteon gives no probability for, with a `reason` from `REASONS`."""

    def __init__(self, reason: str, explanation: str = "") -> None:
        if reason not in REASONS:
            raise ValueError(f"unknown reason {reason!r}; known ones: {', '.join(sorted(REASONS))}")
        super().__init__(explanation or REASONS[reason])
        self.reason = reason


class Passing(OsteonError):
    """`dependency` (`bus`, `store`, `triton`, `release`, …) did not answer as it should."""

    def __init__(self, dependency: str, explanation: str) -> None:
        super().__init__(explanation)
        self.dependency = dependency


class Poison(OsteonError):
    """A record that no attempt will ever work; `reason` is a short kebab-case code."""

    def __init__(self, reason: str, explanation: str) -> None:
        super().__init__(explanation)
        self.reason = reason


class Fatal(OsteonError):
    """The process must stop: wrong settings, a missing key, an offset that was forgotten."""
