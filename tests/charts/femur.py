"""Write the radiograph that `helm test` sends: `python -m tests.charts.femur`."""

from pydicom import Dataset
from pydicom.uid import JPEGLSLossless

from osteon.phantom.specimen import specimen

from .render import CHART

__all__ = ["FEMUR", "femur"]

FEMUR = CHART / "files" / "femur.dcm"


def femur() -> Dataset:
    """One of the digital cohort, small, since a ConfigMap holds a MiB."""
    return specimen(0, purpose="test").dataset


if __name__ == "__main__":
    made = femur()
    made.compress(JPEGLSLossless, generate_instance_uid=False)
    made.save_as(FEMUR, enforce_file_format=True)
