"""One composed matrix and one interpolation for everything geometric."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import core.data.sampler as sampler
from core.data.accelerator import Maker, PhotoStore
from core.data.block import DataBlock
from core.data.draws import Array, Draws
from core.data.files import get_image_files
from core.data.loaders import DataLoaders
from core.data.photo import View, decode, fit
from core.data.pipeline import Pipeline
from core.data.sampler import planned, reductions, sampled, to_size
from core.data.transforms import Geometric, PadMode, box_matrices, compose, pair
from core.data.transforms import centred as centred_batch
from core.device import choose
from core.errors import BadInput
from core.registry import labellers, splitters, transforms
from tests.core.stand_in import apple_gpu


def photo_sizes(*photos: np.ndarray[Any, Any]) -> Array:
    return np.array([photo.shape[:2] for photo in photos], float)


def box_matrix(box: tuple[float, ...], size: tuple[int, int]) -> Array:
    return box_matrices(np.array([box]), size)[0]


def centred(matrix: Array, size: tuple[int, int]) -> Array:
    return centred_batch(matrix[None], np.array([size], float))[0]


def reduction(matrix: Array, size: tuple[int, int]) -> Array:
    return reductions(matrix[None], size)[0]


def noise(height: int, width: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def smooth(height: int, width: int) -> np.ndarray[Any, Any]:
    """Slow waves, which any interpolation keeps."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 15 + c) + np.cos(y / 12 - c) for c in range(3)]
    return (np.stack(waves, -1) * 60 + 127).astype(np.uint8)


def as_tensor(pixels: np.ndarray[Any, Any]) -> Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


def one(pixels: np.ndarray[Any, Any], matrix: Array, size: tuple[int, int], pad_mode: PadMode = "reflection") -> Tensor:
    """[3, H, W]"""
    return next(sampled([pixels], planned(photo_sizes(pixels), matrix[None], size, pad_mode)))[0]


def shifted(x: float, y: float) -> Array:
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


def assorted(number: int, pad_mode: PadMode) -> tuple[list[np.ndarray[Any, Any]], Array]:
    """Photos of other sizes, seen a little larger than they are, turned and tilted, with their matrices."""
    generator = np.random.default_rng(3)
    photos, matrices = [], []
    for i in range(number):
        height, width = generator.integers(5, 70, 2)
        matrix = box_matrix((-3.0, -2.0, width + 3.0, height + 2.0), (25, 31)) + generator.normal(0, 0.02, (3, 3))
        matrix[2] = generator.normal(0, 0.002, 3) * (i % 2) + (0, 0, 1)
        photos.append(noise(height, width, i))
        matrices.append(matrix)
    return photos, np.array(matrices)


@pytest.fixture
def threads() -> Iterator[None]:
    """A test that sets the number of torch's threads."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("pad_mode", ["zeros", "border", "reflection"])
def test_a_photo_is_the_same_to_the_last_bit_in_whatever_batch_and_threads(pad_mode: PadMode, threads: None) -> None:
    photos, matrices = assorted(13, pad_mode)
    together = list(sampled(photos, planned(photo_sizes(*photos), matrices, (25, 31), pad_mode)))
    assert [image.shape for image in together] == [(1, 3, 25, 31)] * 13
    for number in (1, 3):
        torch.set_num_threads(number)
        for photo, matrix, image in zip(photos, matrices, together, strict=True):
            assert torch.equal(one(photo, matrix, (25, 31), pad_mode), image[0])


def photo_file(folder: Path, height: int, width: int) -> Path:
    """Waves and some noise."""
    file = folder / f"{height}x{width}.png"
    rough = smooth(height, width) * 0.8 + noise(height, width) * 0.2
    Image.fromarray(rough.astype(np.uint8)).save(file)
    return file


@pytest.mark.parametrize("pad_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize(("size", "warped"), [(28, 1.0), (70, 1.0), (120, 0.0)])
def test_an_accelerators_batch_is_that_of_the_cpu(tmp_path: Path, size: int, warped: float, pad_mode: PadMode) -> None:
    """All photos at once on a canvas, reduced by a half, hardly and not at all; in memory that is too small for all."""
    files = [photo_file(tmp_path, *shape) for shape in ((100, 130), (131, 100), (90, 90), (99, 200), (12, 7))]
    tfms = transforms.create("aug_transforms", size=size, min_scale=0.4, max_rotate=40.0, max_lighting=0.0,
                             p_affine=warped, pad_mode=pad_mode)  # fmt: skip
    pipeline = Pipeline(transforms.create("resize", size=80, method="pad", pad_mode=pad_mode), tfms)
    photos, indices = [pipeline.read(file, True) for file in files], [7, 2, 9, 4, 11]
    expected = pipeline.images(photos, Draws(1, 2, indices))
    with apple_gpu():
        device = choose(torch.device("cpu"))
        for room in (0, sum(p.nbytes for p in photos[:3]), 10**6):
            store = PhotoStore(device, 5, 0.5, _data=torch.empty(room, dtype=torch.uint8), _memory=photos[3].nbytes)
            order = [[0, 1, 2], [0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [3], [2, 4]]
            maker = Maker(
                device,
                pipeline,
                store,
                order,
                lambda i: (files[i], True),
                lambda part: Draws(1, 2, [indices[i] for i in part]),
            )
            for number, part in enumerate(order):
                given = [None if (files[i], True) in store else photos[i] for i in part]
                found = maker.make(number, part, given)
                assert (found - expected[part]).abs().max() <= 1.01 / 255
                torch.testing.assert_close(found.mean(), expected[part].mean(), atol=1e-4, rtol=0)


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
    photos = [pipeline.read(file, True) for file in files]
    counter = Counter(monkeypatch)
    images = pipeline.images(photos, Draws(0, 0, range(11)))
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


def test_only_a_large_reduction_is_filtered_and_along_its_axis_alone() -> None:
    small = planned(np.array([[64, 64.0]]), box_matrix((0, 0, 64, 64), (48, 48))[None], (48, 48), "zeros")
    assert small.boxes.tolist() == [[0, 0, 64, 64]] and small.sizes.tolist() == [[64, 64]]
    image = Image.fromarray(noise(60, 400))
    large = planned(np.array([[60, 400.0]]), box_matrix((0, 0, 400, 60), (60, 100))[None], (60, 100), "zeros")
    assert large.sizes.tolist() == [[60, 100]]
    np.testing.assert_allclose(large.matrices[0], np.eye(3), atol=1e-9)
    expected = as_tensor(np.array(image.resize((100, 60), Image.Resampling.BILINEAR)))  # which filters
    found = next(sampled([np.asarray(image)], large))[0]
    torch.testing.assert_close(found, expected, atol=1.01 / 255, rtol=0)


@pytest.mark.parametrize("pad_mode", ["border", "reflection"])
def test_only_what_is_seen_of_a_photo_is_read(pad_mode: PadMode) -> None:
    """What lies beyond the box that is read has no influence, also where the outside is mirrored into the photo."""
    pixels = noise(90, 120)
    for box in ((40, 30, 70, 50), (-20, 5, 40, 60), (60, -15, 150, 40), (-500, -500, 500, 500), (200, 0, 260, 60)):
        plan = planned(photo_sizes(pixels), box_matrix(box, (20, 20))[None], (20, 20), pad_mode)
        left, top, right, bottom = plan.boxes[0]
        other = 255 - pixels
        other[top:bottom, left:right] = pixels[top:bottom, left:right]
        assert torch.equal(next(sampled([pixels], plan)), next(sampled([other], plan)))
        matrix, size = box_matrix(box, (120, 120)), (120, 120)  # not reduced, so all must be exact
        padded = np.pad(pixels, ((600, 600), (600, 600), (0, 0)), "edge" if pad_mode == "border" else "symmetric")
        whole = one(padded, shifted(600, 600) @ matrix, size, pad_mode)
        if max(reduction(matrix, size)) < 1.5:
            torch.testing.assert_close(one(pixels, matrix, size, pad_mode), whole, atol=1e-3, rtol=0)


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
        out = pipeline.images([pipeline.read(file, training)], Draws(0, 0, [0]) if training else None)
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
            pipeline.images([pipeline.read(file, training) for file in files], draws)
            for training, draws in ((True, Draws(0, 0, range(len(files)))), (False, None))
        ]
        difference = (views[0] - views[1]).abs()
        assert difference.mean() < 0.02 and difference.mean((1, 2, 3)).max() < 0.04
        # a mistake of one pixel would be seen
        moved = (views[0].roll(1, 3) - views[1]).abs()
        assert moved.mean() > 1.3 * difference.mean()


def test_a_centre_crop_in_training_is_validation(data_folder: Path) -> None:
    class Middle(Draws):
        def uniform(self, low: float = 0.0, high: float = 1.0, times: int | None = None) -> Array:
            return np.full((len(self), times) if times else len(self), (low + high) / 2)

    files = sorted((data_folder / "tiny_pets").glob("*.jpg"))[::6]
    pipeline = Pipeline(transforms.create("resize", size=128))
    train = pipeline.images([pipeline.read(f, True) for f in files], Middle(0, 0, range(len(files))))
    valid = pipeline.images([pipeline.read(f, False) for f in files], None)
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
        image, square = decode(file), np.array([[128.0, 128.0]])
        matrices, _ = compose([resize, *steps], photo_sizes(np.asarray(image)), Draws(0, 0, [i]), True)
        composed.append(one(np.asarray(image), matrices[0], (128, 128))[None])
        draws, pixels = Draws(0, 0, [i]), fit(image, [View((128, 128), "squish")])
        for step in steps:
            out = one(pixels, step.matrices(step.draw(square, draws, True), square)[0], (128, 128))
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
    photos = np.array([[200.0, 300.0]] * 20)
    total, out = compose(steps, photos, Draws(0, 0, range(20)), True)
    draws, size, matrices = Draws(0, 0, range(20)), photos, []
    for step in steps:
        matrices.append(step.matrices(step.draw(size, draws, True), size))
        size = step.sizes_after(size)
    expected = points
    for matrix in reversed(matrices):  # from the output back to the photo
        expected = matrix @ expected
        expected = expected / expected[:, 2:]
    found = total @ points
    assert out.tolist() == size.tolist() == [[20, 40]] * 20
    np.testing.assert_allclose(found / found[:, 2:], expected, rtol=1e-9, atol=1e-9)


def test_centred_takes_corners_to_corners() -> None:
    pixels = centred(np.diag([-1.0, 1, 1]), (40, 60)) @ np.array([[0, 60], [0, 40], [1, 1.0]])
    np.testing.assert_allclose(pixels, [[60, 0], [0, 40], [1, 1]])


def test_pair() -> None:
    assert (pair(3), pair((2, 4)), pair([5, 6])) == ((3, 3), (2, 4), (5, 6))
    for size in (0, -1, (0, 5), (5, -5)):
        with pytest.raises(BadInput, match="not between 1 and 4096"):
            pair(size)
