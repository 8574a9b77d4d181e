"""`osteon cohort …`: a data set from its folder to shards, and into a running Osteon.

bring.py     import, from-store: images and tables become a cohort
look.py      check, show
divide.py    split, nodes
hand_on.py   prepare, send
printed.py   how a table was understood, and problems, as they are shown
app.py       what the commands hang on, and what several of them take

`make` and what else belongs to the digital cohort hang themselves on in `osteon.phantom.commands`.
"""

from osteon.cohort.commands import bring, divide, hand_on, look  # noqa: F401  # each adds its commands
from osteon.cohort.commands.app import cohort

__all__ = ["cohort"]
