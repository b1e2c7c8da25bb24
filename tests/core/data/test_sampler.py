"""One composed matrix and one interpolation for everything geometric."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import core.data.sampler as sampler
from core.data.block import DataBlock
from core.data.files import get_image_files
from core.data.loaders import DataLoaders
from core.data.photo import View, decode, fit
from core.data.pipeline import Pipeline
from core.data.sampler import Source, reduction, sample, shrunk, to_size
from core.data.transforms import Geometric, Matrix, PadMode, box_matrix, centred, compose, pair
from core.errors import BadInput
from core.registry import labellers, splitters, transforms

CPU = torch.device("cpu")


def noise(height: int, width: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def smooth(height: int, width: int) -> np.ndarray[Any, Any]:
    """Slow waves, which any interpolation keeps."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 15 + c) + np.cos(y / 12 - c) for c in range(3)]
    return (np.stack(waves, -1) * 60 + 127).astype(np.uint8)


def as_tensor(pixels: np.ndarray[Any, Any]) -> Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


def one(
    pixels: np.ndarray[Any, Any], matrix: Matrix, size: tuple[int, int], pad_mode: PadMode = "reflection"
) -> Tensor:
    """[3, H, W]"""
    return sample([Source(pixels, matrix)], size, pad_mode, CPU)[0]


def shifted(x: float, y: float) -> Matrix:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def test_identity_changes_nothing() -> None:
    for pixels in (smooth(40, 60), noise(31, 17)):
        torch.testing.assert_close(one(pixels, np.eye(3), pixels.shape[:2]), as_tensor(pixels), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("x", "y"), [(3, 0), (0, 5), (2, 4)])
def test_a_matrix_takes_points_of_the_output_to_points_of_the_photo(x: int, y: int) -> None:
    pixels = noise(30, 40)
    out = one(pixels, shifted(x, y), (20, 20))
    torch.testing.assert_close(out, as_tensor(pixels)[:, y : y + 20, x : x + 20], atol=1e-4, rtol=0)


def test_between_two_pixels_lies_their_mean() -> None:
    pixels = noise(12, 12)
    photo = as_tensor(pixels)
    out = one(pixels, shifted(0.5, 0), (12, 11))
    torch.testing.assert_close(out, (photo[:, :, :-1] + photo[:, :, 1:]) / 2, atol=1e-4, rtol=0)


def test_a_quarter_turn_is_exact() -> None:
    pixels = noise(24, 24)
    out = one(pixels, centred(np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]]), (24, 24)), (24, 24))
    torch.testing.assert_close(out, as_tensor(np.rot90(pixels).copy()), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("pad_mode", "numpy_mode"), [("zeros", "constant"), ("border", "edge"), ("reflection", "symmetric")]
)
def test_outside_of_the_photo(pad_mode: PadMode, numpy_mode: Any) -> None:
    """NumPy's padding is the reference, further out than the photo is wide."""
    pixels = noise(8, 10)
    out = one(pixels, shifted(-13, -11), (30, 36), pad_mode)
    expected = as_tensor(np.pad(pixels, ((11, 11), (13, 13), (0, 0)), mode=numpy_mode))
    torch.testing.assert_close(out, expected, atol=1e-3, rtol=0)


def assorted(number: int) -> list[Source]:
    """Photos of other sizes, seen a little larger than they are, turned and tilted."""
    generator = np.random.default_rng(3)
    sources = []
    for i in range(number):
        height, width = generator.integers(5, 70, 2)
        matrix = box_matrix((-3.0, -2.0, width + 3.0, height + 2.0), (25, 31)) + generator.normal(0, 0.02, (3, 3))
        matrix[2] = generator.normal(0, 0.002, 3) * (i % 2) + (0, 0, 1)
        sources.append(Source(noise(height, width, i), matrix))
    return sources


@pytest.fixture
def threads() -> Iterator[None]:
    """A test that sets the number of torch's threads."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("pad_mode", ["zeros", "border", "reflection"])
def test_a_photo_is_the_same_to_the_last_bit_in_whatever_batch_and_threads(pad_mode: PadMode, threads: None) -> None:
    sources = assorted(13)
    together = sample(sources, (25, 31), pad_mode, CPU)
    assert together.shape == (13, 3, 25, 31)
    for number in (1, 3):
        torch.set_num_threads(number)
        apart = torch.cat([sample([s], (25, 31), pad_mode, CPU) for s in sources])
        backwards = sample(sources[::-1], (25, 31), pad_mode, CPU).flip(0)
        assert torch.equal(together, apart) and torch.equal(together, backwards)


def test_a_photo_that_cannot_be_sampled_raises() -> None:
    with pytest.raises(ZeroDivisionError):
        sample([*assorted(2), Source(np.zeros((0, 5, 3), np.uint8), np.eye(3))], (8, 8), "border", CPU)


def test_a_perspective_divides() -> None:
    pixels = smooth(64, 64)
    matrix = centred(np.array([[1, 0, 0], [0, 1, 0], [0.2, 0, 1.0]]), (64, 64))
    out = one(pixels, matrix, (64, 64), "border")
    point = matrix @ np.array([50.5, 20.5, 1.0])
    x, y = point[:2] / point[2] - 0.5
    expected = Image.fromarray(pixels).transform((1, 1), Image.Transform.AFFINE, (1, 0, x, 0, 1, y), 2).getpixel((0, 0))
    np.testing.assert_allclose(out[:, 20, 50].numpy() * 255, expected, atol=2)


class Counter:
    """Notes how many points each `grid_sample` takes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.points: list[int] = []
        real = sampler.grid_sample

        def counting(pixels: Tensor, grid: Tensor, **options: Any) -> Tensor:
            self.points.append(grid[..., 0].numel())
            return real(pixels, grid, **options)

        monkeypatch.setattr(sampler, "grid_sample", counting)
        self.reduce = sampler.interpolate
        monkeypatch.setattr(sampler, "interpolate", self.filtered)
        for name in ("grid_sample", "interpolate", "affine_grid"):  # nobody takes a second one by another door
            monkeypatch.setattr(torch.nn.functional, name, self.refuse)

    def filtered(self, pixels: Tensor, size: tuple[int, int], **options: Any) -> Tensor:
        """The reduction before, which averages."""
        assert options["antialias"] and all(n < m for n, m in zip(size, pixels.shape[2:], strict=True))
        return self.reduce(pixels, size, **options)

    def refuse(self, *_: Any, **__: Any) -> None:
        raise AssertionError("interpolated again")


def everything(item: Any = None, batch: Any = None) -> Pipeline:
    return Pipeline(
        item or transforms.create("resize", size=96),
        batch or transforms.create("aug_transforms", size=48, min_scale=0.5, p_affine=1.0, p_lighting=1.0),
    )


def write(folder: Path, *photos: np.ndarray[Any, Any]) -> list[Path]:
    files = [folder / f"photo_{i}.png" for i in range(len(photos))]
    for file, pixels in zip(files, photos, strict=True):
        Image.fromarray(pixels).save(file)
    return files


def test_each_photo_is_interpolated_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write(tmp_path, *(noise(100 + i, 110, i) for i in range(11)))
    pipeline = everything()
    samples = [pipeline.item(file, Random(i), True) for i, file in enumerate(files)]
    counter = Counter(monkeypatch)
    images = pipeline.batch(samples, CPU, True)
    assert images.shape == (11, 3, 48, 48)
    assert counter.points == [48 * 48] * 11


def test_an_epoch_interpolates_each_photo_once(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dls = pets(data_folder, transforms.create("resize", size=96), transforms.create("aug_transforms", size=64))
    counter = Counter(monkeypatch)
    assert sum(len(targets) for _, targets in dls.train) == len(dls.train.items) == len(counter.points) == 48
    assert set(counter.points) == {64 * 64}
    list(dls.valid)
    assert len(counter.points) == 48, "validation is Pillow's"


def pets(data_folder: Path, item_tfms: Any, batch_tfms: Any) -> DataLoaders:
    block = DataBlock(
        get_items=get_image_files,
        get_y=lambda file: labellers.create("regex")(file.name),
        splitter=splitters.create("random", seed=42),
        item_tfms=item_tfms,
        batch_tfms=batch_tfms,
    )
    return block.dataloaders(data_folder / "tiny_pets", bs=32, device="cpu", workers=2)


def test_a_small_reduction_is_not_filtered() -> None:
    image = Image.fromarray(noise(64, 64))
    source = shrunk(image, box_matrix((0, 0, 64, 64), (48, 48)), (48, 48))
    assert np.array_equal(source.pixels, np.asarray(image))


def test_a_large_reduction_is_filtered_along_its_axis_alone() -> None:
    image = Image.fromarray(noise(60, 400))
    source = shrunk(image, box_matrix((0, 0, 400, 60), (60, 100)), (60, 100))
    assert source.pixels.shape == (60, 100, 3)
    np.testing.assert_allclose(source.matrix, np.eye(3), atol=1e-9)
    expected = np.asarray(image.resize((100, 60), Image.Resampling.BILINEAR), np.float64)  # which filters
    np.testing.assert_allclose(source.pixels, expected, atol=1)


def test_pixels_are_shrunk_as_their_image() -> None:
    for matrix in (box_matrix((0, 0, 64, 60), (48, 48)), box_matrix((0, 0, 64, 30), (12, 12))):
        pixels = noise(60, 64)
        one, other = shrunk(pixels, matrix, (12, 12)), shrunk(Image.fromarray(pixels), matrix, (12, 12))
        assert np.array_equal(one.pixels, other.pixels) and np.array_equal(one.matrix, other.matrix)


@pytest.mark.parametrize("size", [(460, 613), (256, 341), (300, 300), (700, 90)])
def test_to_size_is_pillows_antialiased_bilinear(size: tuple[int, int]) -> None:
    image = Image.fromarray(noise(840, 1000))
    expected = np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR), np.float64)
    for photo in (image, np.asarray(image)):
        found = to_size(photo, *size)
        assert found.shape == (*size, 3) and found.dtype == np.uint8 and found.flags.c_contiguous
        assert np.abs(found - expected).max() <= 1


def test_a_large_reduction_to_size_is_nearly_that() -> None:
    image = Image.fromarray(smooth(1500, 2003))
    expected = np.asarray(image.resize((160, 120), Image.Resampling.BILINEAR), np.float64)
    for photo in (image, np.asarray(image)):
        found = to_size(photo, 120, 160)
        assert found.shape == (120, 160, 3) and np.abs(found - expected).mean() < 1
        assert np.abs(np.roll(found, 1, 1) - expected).mean() > 5, "a mistake of one pixel would be seen"


@pytest.mark.parametrize("factor", [2, 6])
def test_to_size_turns_a_checkerboard_grey(factor: int) -> None:
    y, x = np.mgrid[:120, :120]
    board = np.repeat(((x + y) % 2 * 255).astype(np.uint8)[..., None], 3, 2)
    for photo in (board, Image.fromarray(board)):
        inner = to_size(photo, 120 // factor, 120 // factor)[1:-1, 1:-1]
        assert set(np.unique(inner)) <= {127, 128}


def test_to_size_is_the_same_by_whatever_threads(threads: None) -> None:
    photos = [Image.fromarray(noise(500, 700 + i)) for i in range(6)]
    expected = [to_size(photo, 230, 310) for photo in photos]
    for number in (1, 3):
        torch.set_num_threads(number)
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda photo: to_size(photo, 230, 310), photos))
        assert all(map(np.array_equal, found, expected))


def test_the_reduction_is_that_of_the_photos_axes() -> None:
    turn = centred(np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]]), (100, 100))
    squeeze = box_matrix((0, 0, 400, 100), (100, 100))
    np.testing.assert_allclose(reduction(squeeze, (100, 100)), (4, 1))
    np.testing.assert_allclose(reduction(squeeze @ turn, (100, 100)), (4, 1), err_msg="the photo's x, not the output's")
    spin = centred(np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1.0]]), (100, 100))
    np.testing.assert_allclose(reduction(spin, (100, 100)), (1, 1))
    perspective = np.array([[1, 0, 0], [0, 1, 0], [0.004, 0, 1.0]])  # numeric derivative as the reference
    middle = np.array([50, 50, 1.0])

    def at(dx: float, dy: float) -> np.ndarray[Any, Any]:
        point = perspective @ (middle + np.array([dx, dy, 0]))
        return np.asarray(point[:2] / point[2])

    slopes = np.stack([(at(1e-4, 0) - at(-1e-4, 0)) / 2e-4, (at(0, 1e-4) - at(0, -1e-4)) / 2e-4], 1)
    np.testing.assert_allclose(reduction(perspective, (100, 100)), np.hypot(*slopes.T), rtol=1e-5)


@pytest.mark.parametrize(("square", "side", "size"), [(1, 240, 96), (1, 240, 120), (2, 480, 112), (1, 460, 224)])
def test_a_checkerboard_turns_grey_in_training_and_in_validation(
    tmp_path: Path, square: int, side: int, size: int
) -> None:
    y, x = np.mgrid[:side, :side] // square
    board = np.repeat(((x + y) % 2 * 255).astype(np.uint8)[..., None], 3, 2)
    (file,) = write(tmp_path, board)
    pipeline = Pipeline(transforms.create("resize", size=size))
    assert board.std() > 127
    for training in (True, False):
        out = pipeline.batch([pipeline.item(file, Random(0), training)], CPU, training)
        assert abs(out.mean() - 0.5) < 0.02 and out.std() < 0.06, f"training={training}"


def test_training_at_rest_is_validation(data_folder: Path) -> None:
    """Where nothing is random, the two ways of sampling agree."""
    files = sorted((data_folder / "tiny_pets").glob("*.jpg"))[::6]
    for item, batch in (
        (transforms.create("resize", size=128, method="squish"), None),
        (transforms.create("resize", size=128, method="pad"), None),
        (transforms.create("resize", size=160, method="squish"), transforms.create("resize", size=64, method="squish")),
        (transforms.create("resize", size=128, method="squish"),
         transforms.create("aug_transforms", do_flip=False, p_affine=0.0, p_lighting=0.0)),
    ):  # fmt: skip
        pipeline = Pipeline(item, batch)
        views = [
            pipeline.batch([pipeline.item(file, Random(0), training) for file in files], CPU, training)
            for training in (True, False)
        ]
        difference = (views[0] - views[1]).abs()
        assert difference.mean() < 0.02 and difference.mean((1, 2, 3)).max() < 0.04
        # a mistake of one pixel would be seen
        moved = (views[0].roll(1, 3) - views[1]).abs()
        assert moved.mean() > 1.3 * difference.mean()


def test_a_centre_crop_in_training_is_validation(data_folder: Path) -> None:
    class Middle(Random):
        def uniform(self, a: float, b: float) -> float:
            return (a + b) / 2

    files = sorted((data_folder / "tiny_pets").glob("*.jpg"))[::6]
    pipeline = Pipeline(transforms.create("resize", size=128))
    train = pipeline.batch([pipeline.item(f, Middle(), True) for f in files], CPU, True)
    valid = pipeline.batch([pipeline.item(f, Random(0), False) for f in files], CPU, False)
    assert (train - valid).abs().mean() < 0.02


def detail(images: Tensor) -> float:
    """The variance of the Laplacian."""
    kernel = torch.tensor([[0, 1, 0], [1, -4, 1], [0, 1, 0]], dtype=torch.float32).expand(3, 1, 3, 3)
    return float(torch.nn.functional.conv2d(images, kernel, groups=3).var())


def test_presizing_keeps_more_detail_than_resizing_first(data_folder: Path) -> None:
    """The same draws, once composed, once applied one after the other to a photo of the final size."""
    steps: list[Geometric] = [transforms.create("rotate", max_deg=25.0, p=1.0), transforms.create("zoom", p=1.0)]
    resize: Geometric = transforms.create("resize", size=128, method="squish")
    composed, stepped = [], []
    for i, file in enumerate(sorted((data_folder / "tiny_pets").glob("*.jpg"))[::6]):
        image = decode(file)
        matrix, size = compose([resize, *steps], (image.height, image.width), Random(i), True)
        composed.append(sample([shrunk(image, matrix, size)], size, "reflection", CPU))
        generator, pixels = Random(i), fit(image, [View((128, 128), "squish")])
        for step in steps:
            matrix, size = step.matrix(step.draw((128, 128), generator, True), (128, 128))
            out = one(pixels, matrix, size)
            pixels = (out * 255).round().byte().permute(1, 2, 0).numpy()
        stepped.append(out[None])
    once, twice = torch.cat(composed), torch.cat(stepped)
    assert (once - twice).abs().mean() < 0.06, "the same pictures"
    assert detail(once) > 1.2 * detail(twice)


def test_composing_is_applying_one_after_the_other() -> None:
    steps: list[Geometric] = [
        transforms.create("resize", size=(120, 90)),
        *transforms.create("aug_transforms", size=64, min_scale=0.5, p_affine=1.0, max_lighting=0.0),
        transforms.create("resize", size=(20, 40), method="pad"),
    ]  # fmt: skip
    points = np.random.default_rng(0).uniform(0, 20, (3, 50))
    points[2] = 1
    for seed in range(20):
        total, out = compose(steps, (200, 300), Random(seed), True)
        generator, size, matrices = Random(seed), (200, 300), []
        for step in steps:
            matrix, size = step.matrix(step.draw(size, generator, True), size)
            matrices.append(matrix)
        expected = points
        for matrix in reversed(matrices):  # from the output back to the photo
            expected = matrix @ expected
            expected = expected / expected[2]
        found = total @ points
        assert out == size == (20, 40)
        np.testing.assert_allclose(found / found[2], expected, rtol=1e-9, atol=1e-9)


def test_centred_takes_corners_to_corners() -> None:
    pixels = centred(np.diag([-1.0, 1, 1]), (40, 60)) @ np.array([[0, 60], [0, 40], [1, 1.0]])
    np.testing.assert_allclose(pixels, [[60, 0], [0, 40], [1, 1]])


def test_pair() -> None:
    assert (pair(3), pair((2, 4)), pair([5, 6])) == ((3, 3), (2, 4), (5, 6))
    for size in (0, -1, (0, 5), (5, -5)):
        with pytest.raises(BadInput, match="not between 1 and 4096"):
            pair(size)
