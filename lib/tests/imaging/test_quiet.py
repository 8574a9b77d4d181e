"""What a file says about a person leaves neither by a warning, nor by a log line, nor by an error."""

import logging
import traceback
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydicom.misc import warn_and_log

from osteon.errors import SetAside
from osteon.imaging.dicom import read_image
from osteon.imaging.quiet import quiet_pydicom


def test_nothing_is_warned_or_logged_inside(caplog: pytest.LogCaptureFixture) -> None:
    with quiet_pydicom():
        warn_and_log("the name is Nobody")  # would be an error here: warnings are

    assert "Nobody" not in caplog.text


def test_threads_leave_filters_and_logger_as_they_were(
    radiograph: Callable[..., Any], encode: Callable[..., bytes], ramp: npt.NDArray[np.uint16]
) -> None:
    data = encode(radiograph(ramp))
    before = list(warnings.filters)

    with ThreadPoolExecutor(8) as threads:
        images = list(threads.map(read_image, [data] * 200))

    assert len(images) == 200
    assert list(warnings.filters) == before
    assert not logging.getLogger("pydicom").disabled


def test_an_error_repeats_no_value_of_the_file(
    radiograph: Callable[..., Any], encode: Callable[..., bytes], ramp: npt.NDArray[np.uint16]
) -> None:
    data = encode(radiograph(ramp, PixelSpacing=[1.25, 4.5])).replace(b"1.25\\4.5", b"Nobody\\1")

    with pytest.raises(SetAside) as raised:
        read_image(data)

    assert "Nobody" not in "".join(traceback.format_exception(raised.value))
