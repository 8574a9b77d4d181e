"""A digital cohort in a folder, and the same one as a stream."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from osteon.cli import main
from osteon.cohort.table import open_cohort
from osteon.errors import Fatal
from osteon.imaging.dicom import read_image
from osteon.phantom.commands import cohort as commands
from osteon.phantom.make import Design, make_cohort, plan_of
from osteon.phantom.sites import sites
from osteon.phantom.stream import sample, stream

DESIGN = Design(n_patients=3, n_sites=6, seed=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "cohort"
    make_cohort(DESIGN, out, n_processes=2)
    return out


def _without_paths(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.dcm")}


def test_the_table_has_a_row_for_each_file_and_says_what_lies_in_it(folder: Path) -> None:
    table = open_cohort(folder).frame.collect()

    assert table.height == len(plan_of(DESIGN)) == len(_without_paths(folder))
    for row in table.iter_rows(named=True):
        image = read_image((folder / row["path"]).read_bytes())
        assert image.pixels.shape == (row["height"], row["width"]) == (512, 512)
        assert image.spacing_mm == pytest.approx((row["spacing_y_mm"], row["spacing_x_mm"]), rel=1e-4)
        truth = np.load(folder / "truth" / f"{row['case']}.npz")
        assert not (truth["fracture"].any() and row["label"] == "no_fracture")
        assert truth["femur"].any()
        assert truth["reference"].shape == truth["femur"].shape


def test_the_card_counts_what_is_there_and_the_register_knows_the_patients(folder: Path) -> None:
    card = json.loads((folder / "card.json").read_text())
    long = pl.read_parquet(folder / "register.parquet")

    assert card["counts"]["images"] == len(plan_of(DESIGN))
    assert sum(card["images_by_site"].values()) == card["counts"]["images"]
    assert "no evidence about patients" in card["warning"]
    assert card["processor"]["machine"]
    assert sum(sum(one.values()) for one in card["adjudicated_by_label"].values()) == card["counts"]["patients"]
    assert set(long["patient"]) <= set(open_cohort(folder).frame.collect()["patient"])


def test_masks_axis_and_reference_lie_as_the_pixels_do_where_a_detector_lies_across_the_leg(tmp_path: Path) -> None:
    make_cohort(Design("travelling", n_patients=1, n_sites=5), tmp_path / "five", n_processes=1)
    maple = sites()[4].rooms
    row = next(
        row
        for row in open_cohort(tmp_path / "five").frame.collect().iter_rows(named=True)
        if row["site"] == "maple" and maple[row["room"]].on(row["exam_date"]).lateral.geometry.is_crosswise
    )

    pixels = read_image((tmp_path / "five" / row["path"]).read_bytes()).pixels
    truth = np.load(tmp_path / "five" / "truth" / f"{row['case']}.npz")

    reference = truth["reference"].astype(np.float32)
    assert np.corrcoef(pixels.ravel(), reference.ravel())[0, 1] > 0.9
    assert pixels[truth["femur"]].mean() > pixels[~truth["femur"]].mean()
    along = truth["axis_mm"][0] + np.linspace(0, 1, 50)[:, None] * (truth["axis_mm"][1] - truth["axis_mm"][0])
    y, x = np.floor(along / truth["spacing_mm"]).astype(int).T
    seen = (np.minimum(y, x) >= 0) & (np.maximum(y, x) < 512)
    assert truth["femur"][y[seen], x[seen]].mean() > 0.9
    streamed = sample(plan_of(Design("travelling", n_patients=1, n_sites=5))[row["image"]])
    assert np.array_equal(streamed.truth.femur, truth["femur"])
    assert np.allclose(streamed.truth.axis_mm, truth["axis_mm"])


def test_a_run_that_was_ended_goes_on_and_ends_with_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    seen: list[int] = []

    def end_after_five(n_done: int, _: int) -> None:
        seen.append(n_done)
        if n_done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_cohort(DESIGN, tmp_path / "again", n_processes=1, progress=end_after_five)
    made = make_cohort(DESIGN, tmp_path / "again", n_processes=1)

    assert made.n_before == 5
    assert _without_paths(tmp_path / "again") == _without_paths(folder)
    assert (tmp_path / "again" / "cohort.csv").read_bytes() == (folder / "cohort.csv").read_bytes()
    assert make_cohort(DESIGN, tmp_path / "again").n_new == 0


def test_a_folder_with_another_cohort_or_with_something_else_is_left_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")

    with pytest.raises(Fatal, match="another design"):
        make_cohort(Design(n_patients=4, n_sites=6, seed=5), folder)
    with pytest.raises(Fatal, match="not empty"):
        make_cohort(DESIGN, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_place_that_cannot_be_written_ends_the_command_with_a_line_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    asked = ["osteon", "cohort", "make", str(tmp_path / "letter.txt"), "--patients", "2", "--sites", "2"]
    monkeypatch.setattr("sys.argv", asked)

    with pytest.raises(SystemExit) as ended:
        main()

    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert f"error: {tmp_path / 'letter.txt'}: File exists" in said
    assert "Traceback" not in said


def test_the_stream_gives_the_images_of_the_files_in_any_order_and_parts(folder: Path) -> None:
    plan = plan_of(DESIGN)
    paths = {row["case"]: row["path"] for row in open_cohort(folder).frame.collect().iter_rows(named=True)}

    alone = sample(plan[7])
    parts = [[one.row.number for one in stream(plan[:4], part=(k, 2), shuffle=3)] for k in range(2)]

    written = read_image((folder / paths[alone.row.case_id]).read_bytes())
    assert np.array_equal(alone.image.pixels, written.pixels)
    assert sorted(parts[0] + parts[1]) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="of how many"):
        next(stream(plan, part=(2, 2)))


def test_a_dry_run_counts_and_writes_nothing(tmp_path: Path) -> None:
    said = CliRunner().invoke(commands, ["make", str(tmp_path / "x"), "--preset", "register", "--dry-run"])

    assert said.exit_code == 0
    assert "4000 typical_fracture" in said.output
    assert not (tmp_path / "x").exists()
