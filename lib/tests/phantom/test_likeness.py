"""Likeness: alike is near, unlike is far, and the measures bear what the web does to pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from typer.testing import CliRunner

from osteon.phantom.commands import cohort
from osteon.phantom.likeness import MEASURES, bearing, compare, files_of, measured, read_gray

REAL = Path(__file__).parents[4] / "shared" / "data" / "bone_xray_sr2022" / "images"


def pictures(folder: Path, smoothness: float, seed: int = 0, n: int = 12) -> Path:
    """Pictures of clouds: as smooth as asked, with a body brighter than its surroundings."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    for number in range(n):
        clouds = gaussian_filter(rng.standard_normal((300, 200)), smoothness * rng.uniform(0.8, 1.2))
        tone = clouds / clouds.std() * 30 + 120
        tone[:, :40] = 0
        Image.fromarray(np.clip(tone, 0, 255).astype(np.uint8)).save(folder / f"{number}.png")
    return folder


def test_a_collection_is_near_one_of_its_kind_and_far_from_another(tmp_path: Path) -> None:
    smooth, smooth_too, rough = (
        measured(name, files_of(pictures(tmp_path / name, smoothness, seed)))
        for seed, (name, smoothness) in enumerate([("smooth", 5.0), ("smooth-too", 5.0), ("rough", 1.5)])
    )

    near = compare(smooth, (smooth_too, rough))
    far = compare(rough, (smooth, smooth_too))

    assert near.off == ()
    assert {"spectrum slope", "local contrast spread"} <= set(far.off)


def test_one_real_collection_is_no_yardstick(tmp_path: Path) -> None:
    one = measured("one", files_of(pictures(tmp_path / "one", 3.0)))

    with pytest.raises(ValueError, match="two real collections"):
        compare(one, (one,))


def test_the_command_writes_a_page_with_figures_and_says_what_is_off(tmp_path: Path) -> None:
    places = [pictures(tmp_path / name, s, n) for n, (name, s) in enumerate([("real", 3), ("other", 3), ("made", 9)])]
    real, other, made = (str(place) for place in places)
    out = tmp_path / "report"

    ran = CliRunner().invoke(cohort, ["likeness", real, made, "--beside", other, "--out", str(out)])

    assert ran.exit_code == 0, ran.output
    page = (out / "likeness.md").read_text()
    assert all(name in page for name in MEASURES)
    assert "**off**" in page
    assert (out / "measures.png").stat().st_size > 10_000
    assert (out / "pictures.png").exists()


def test_real_radiographs_bear_jpeg_and_resizing_in_every_measure() -> None:
    if not REAL.is_dir():
        pytest.skip("the real radiographs are not on this machine")

    moved = bearing([path for path in files_of(REAL)[::9] if read_gray(path) is not None])

    # 0.35 between 30 pictures and themselves, compressed at quality 75 and resized to 70 %, is less than lies between
    # most collections; chance alone gives up to 0.33 (Kolmogorov and Smirnov at 5 %).
    assert dict(zip(MEASURES, moved.round(2), strict=True)) == pytest.approx(dict.fromkeys(MEASURES, 0), abs=0.35)
