"""`python -m osteon_harmonizer`: the harmonizer service."""

from osteon.release.process import run_stage
from osteon_harmonizer.harmonize import make_stage

if __name__ == "__main__":
    run_stage("harmonizer", make_stage)
