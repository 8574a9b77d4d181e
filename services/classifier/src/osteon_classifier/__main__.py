"""`python -m osteon_classifier`: the classifier service."""

from osteon.release.process import run_stage
from osteon_classifier.classify import make_stage

if __name__ == "__main__":
    run_stage("classifier", make_stage)
