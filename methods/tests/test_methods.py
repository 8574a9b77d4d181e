"""Every method passes the same tests at tiny size; the released model folders are what their cards say."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from osteon.imaging.geometry import Geometry
from osteon.imaging.intensity import DECILES, landmarks, standardize
from osteon.learning.export import export
from osteon.learning.fit import Plan, fit, seeded
from osteon.release.card import Calibration, Card, Cohort
from osteon.release.parity import difference, read_parity, run_onnx
from osteon_methods.classify import cnn
from osteon_methods.harmonize import nyul
from osteon_methods.methods import METHODS, method

TINY = Geometry(0.5, 96, 192)
COHORT = Cohort("0" * 64, "a test")
MODELS = Path(__file__).parents[2] / "models"
Images = npt.NDArray[np.float32]


def images(n: int, *, seed: int = 0) -> Images:
    """Smooth blobs on a dark ground, (n, 1, rows, columns), in units of a detector."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[-1:1:96j, -1:1:192j]
    blobs = [np.exp(-((rows - rng.uniform(-0.5, 0.5)) ** 2 + columns**2) / rng.uniform(0.1, 0.5)) for _ in range(n)]
    noisy = np.stack(blobs) * 3000 + 200 + rng.normal(0, 20, (n, 96, 192))
    return np.asarray(noisy[:, None], dtype=np.float32)


def tiny(name: str) -> tuple[nn.Module, Card, Images]:
    """A network of a method, its card, and two images that it takes."""
    if name == "nyul":
        network = nyul.learn((image[0] for image in images(6)), nyul.Config())
        return network, nyul.card(COHORT, TINY, seed=0, command="", trained_on=""), images(2, seed=1)
    with seeded(0):
        classifier = cnn.Cnn(cnn.Config(planes=(4, 8), seeking=(4, 4, 8)))
    card = cnn.card(COHORT, TINY, Calibration(), 0.5, seed=0, command="", trained_on="")
    return classifier, card, images(2, seed=1) / np.float32(4000)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_can_be_had_by_its_name(name: str) -> None:
    assert name == method(name).NAME


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="nyul, cnn"):
        method("cyclegan")


@pytest.mark.parametrize("name", METHODS)
def test_outputs_have_the_shape_and_range_that_the_card_says(name: str) -> None:
    network, card, inputs = tiny(name)

    with torch.no_grad():
        output = network(torch.from_numpy(inputs)).numpy()

    assert card.outputs[0].admits_shape(output.shape)
    low, high = card.outputs[0].range or (-np.inf, np.inf)
    assert low <= output.min() <= output.max() <= high


@pytest.mark.parametrize("name", METHODS)
def test_onnx_gives_what_pytorch_gives_and_what_the_card_says(name: str, tmp_path: Path) -> None:
    network, card, inputs = tiny(name)

    largest = export(network, card, inputs, tmp_path)

    assert largest <= card.tolerance
    written = Card.from_json((tmp_path / "card.json").read_text())
    run = run_onnx((tmp_path / "model.onnx").read_bytes(), written)
    parity = read_parity((tmp_path / "parity.npz").read_bytes(), written)
    assert difference(parity, run) <= card.tolerance
    three = run({"image": np.concatenate([inputs, inputs[:1]])})[card.outputs[0].name]
    assert card.outputs[0].admits_shape(three.shape)
    assert len(three) == 3


def test_a_card_that_allows_no_difference_at_all_refuses_a_network_that_differs(tmp_path: Path) -> None:
    _, card, inputs = tiny("cnn")

    class Fickle(nn.Module):
        """Gives something else in PyTorch than what it leaves in the graph."""

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            mean = image.mean((1, 2, 3))[:, None]
            return mean if torch.compiler.is_exporting() else mean + 1

    with pytest.raises(ValueError, match="differs from PyTorch"):
        export(Fickle(), replace(card, tolerance=0.5), inputs, tmp_path)


@pytest.mark.parametrize("name", METHODS)
def test_no_method_normalises_by_batch(name: str) -> None:
    network, _, _ = tiny(name)

    assert not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())


def test_the_classifier_learns_one_batch_by_heart() -> None:
    inputs = 0.2 * torch.rand((8, 1, 128, 128), generator=torch.Generator().manual_seed(0))
    target = torch.arange(8) % 2 == 0
    inputs[target, :, 60:68, 30:98] += 0.7  # lies
    inputs[~target, :, 30:98, 60:68] += 0.7  # stands
    strips, place = torch.rand((8, 1, 48, 96)), torch.arange(8)
    with seeded(0) as generator:
        network = cnn.Cnn(cnn.Config(planes=(8, 16), seeking=(4, 4, 8)))
        fit(
            network,
            cnn.training_step,
            TensorDataset(strips, place, inputs, target),
            Plan(epochs=50, batch_size=8, learning_rate=2e-2),
            generator=generator,
        )

    with torch.no_grad():
        called = network.read(inputs).flatten() > 0

    assert torch.equal(called, target)


def test_the_classifier_learns_where_a_shaft_is_broken_and_reads_there() -> None:
    images = torch.zeros((8, 1, 192, 240))
    images[:, :, :, 90:134] = 0.8  # a shaft
    row, column = torch.arange(8) * 16.0 + 24, torch.full((8,), 112.0)
    for image, middle in zip(images, row.int().tolist(), strict=True):
        image[:, middle - 2 : middle + 2, 90:134] = 0.3  # and its fracture
    place = cnn.places(row, column, 240)
    windows = cnn.window(images, row.long(), column.long())
    with seeded(0) as generator:
        network = cnn.Cnn(cnn.Config(planes=(4, 8), seeking=(8, 8, 16)))
        cases = TensorDataset(cnn.strip(images), place, windows, torch.arange(8) % 2 == 0)
        fit(network, cnn.training_step, cases, Plan(60, 8, 2e-2), generator=generator)

    with torch.no_grad():
        found = network.seek(cnn.strip(images)).argmax(1)

    assert torch.equal(found // 12, place // 12)
    assert (windows[:, 0, 62:66, 42:86] == windows.new_tensor(0.3)).all()


def test_a_fracture_that_the_strip_does_not_show_has_no_place() -> None:
    row, column = torch.tensor([10.0, 10.0, torch.nan]), torch.tensor([120.0, 23.0, torch.nan])

    assert cnn.places(row, column, 240).tolist() == [6, cnn.NOWHERE, cnn.NOWHERE]


@pytest.mark.parametrize("seed", range(6))
def test_a_mirrored_strip_has_its_fracture_at_the_mirrored_place(seed: int) -> None:
    strips, place = torch.zeros((2, 1, 96, 96)), torch.tensor([17, 100])
    for strip, number in zip(strips, place.tolist(), strict=True):
        strip[0, number // 12 * 8, number % 12 * 8] = strip[0, number // 12 * 8 + 7, number % 12 * 8 + 7] = 1

    turned, to = cnn.mirrored(strips, place, torch.Generator().manual_seed(seed))

    assert torch.equal(nn.functional.max_pool2d(turned, 8).flatten(1).argmax(1), to)


def test_the_same_seed_gives_the_same_classifier() -> None:
    weights = []
    for _ in range(2):
        with seeded(3) as generator:
            network = cnn.Cnn(cnn.Config(planes=(4, 8), seeking=(4, 4, 8)))
            inputs = torch.rand((4, 1, 128, 128), generator=generator)
            strips, place = torch.rand((4, 1, 48, 96), generator=generator), torch.arange(4)
            cases = TensorDataset(strips, place, inputs, torch.arange(4) % 2 == 0)
            fit(network, cnn.training_step, cases, Plan(2, 2, 1e-3), generator=generator)
        weights.append(network.score.weight.detach().clone())

    assert torch.equal(*weights)


def test_nyul_in_pytorch_says_what_nyul_in_numpy_says() -> None:
    network = nyul.learn((image[0] for image in images(6)), nyul.Config())
    inputs = images(3, seed=2)

    with torch.no_grad():
        given = network(torch.from_numpy(inputs)).numpy()

    for image, output in zip(inputs[:, 0], given[:, 0], strict=True):
        source = landmarks(image[:: nyul.STRIDE, :: nyul.STRIDE], DECILES)
        wanted = standardize(image, source, network.scale.numpy().astype(np.float64))
        np.testing.assert_allclose(output, wanted, atol=2e-3)


def test_nyul_does_not_depend_on_units_and_keeps_the_order_of_pixels() -> None:
    network = nyul.learn((image[0] for image in images(6)), nyul.Config())
    inputs = torch.from_numpy(images(1, seed=3))

    with torch.no_grad():
        plain, scaled = network(inputs), network(inputs * 0.01 - 7)

    torch.testing.assert_close(plain, scaled, atol=1e-3, rtol=0)
    order = inputs.flatten().argsort()
    assert (plain.flatten()[order].diff() >= -1e-6).all()


def test_nyul_undoes_most_of_a_tone_curve() -> None:
    network = nyul.learn((image[0] for image in images(6)), nyul.Config())
    inputs = images(1, seed=4)
    curved = 4000 * (inputs / 4000) ** 1.6

    with torch.no_grad():
        before = float(np.abs(inputs - curved).max() / np.ptp(inputs))
        plain, bent = (network(torch.from_numpy(one)).numpy() for one in (inputs, curved))
        # only where the foreground lies: below it, the curve can't be known
        inside = inputs > np.percentile(inputs, 75)

    assert np.abs(plain - bent)[inside].max() < before / 2


def test_a_blank_image_stays_finite() -> None:
    network = nyul.learn((image[0] for image in images(6)), nyul.Config())

    with torch.no_grad():
        output = network(torch.full((2, 1, 96, 192), 5.0))

    assert torch.isfinite(output).all()


@pytest.mark.parametrize("name", METHODS)
def test_the_released_model_is_small_and_gives_what_it_gave_when_it_was_made(name: str) -> None:
    folder = MODELS / name

    card = Card.from_json((folder / "card.json").read_text())
    run = run_onnx((folder / "model.onnx").read_bytes(), card)
    parity = read_parity((folder / "parity.npz").read_bytes(), card)

    assert card.name == name
    assert difference(parity, run) <= card.tolerance
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2_000_000
