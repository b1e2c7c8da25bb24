"""Transforms: what fastai draws, with fastai's matrices; and torchvision's random crops."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms import RandomResizedCrop as Reference

import plugins
from core.data.draws import Array, Draws
from core.data.photo import View
from core.data.transforms import Geometric, Pixel, compose
from core.discovery import discover
from core.errors import BadInput
from core.registry import transforms
from plugins.transforms.warps import perspectives, rotations, zooms

discover()
DRAWS = 4000


def sizes(size: tuple[int, int], n: int = 1) -> Array:
    return np.full((n, 2), size, float)


def drawn(transform: Geometric | Pixel, size: tuple[int, int] = (100, 100), n: int = DRAWS) -> Array:
    """What is drawn in training for `n` photos."""
    training = (True,) if isinstance(transform, Geometric) else ()
    return transform.draw(sizes(size, n), Draws(0, 0, range(n)), *training)


def happened(matrices: Array) -> Any:
    """Where a warp changed something."""
    return (matrices != np.eye(3)).any((1, 2))


def rotation(degrees: float, size: tuple[int, int]) -> Array:
    return rotations(np.array([degrees]), sizes(size))[0]


def zooming(zoom: float, x: float, y: float) -> Array:
    return zooms(np.array([zoom]), np.array([[x, y]]))[0]


def perspective(x: float, y: float) -> Array:
    return perspectives(np.array([[x, y]]))[0]


def test_rotation_as_fastai() -> None:
    np.testing.assert_allclose(rotation(30, (4, 4))[:2, :2], [[0.866, 0.5], [-0.5, 0.866]], atol=1e-3)
    np.testing.assert_allclose(rotation(30, (4, 6))[:2, :2], [[0.866, 0.333], [-0.75, 0.866]], atol=1e-3)


def test_rotation_keeps_lengths_and_angles_on_the_pixels() -> None:
    rotate = transforms.create("rotate", max_deg=90.0, p=1.0)
    (matrix,) = rotate.matrices(rotate.draw(sizes((40, 60)), Draws(3, 0, [0]), True), sizes((40, 60)))
    np.testing.assert_allclose(matrix[:2, :2] @ matrix[:2, :2].T, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(matrix @ [30, 20, 1], [30, 20, 1], atol=1e-9, err_msg="about the centre")


def test_zoom_as_fastai() -> None:
    np.testing.assert_allclose(zooming(1.2, 0.5, 0.5), np.diag([0.8333, 0.8333, 1]), atol=1e-4)
    corner = zooming(1.2, 0.0, 1.0)
    np.testing.assert_allclose(corner[:2], [[0.8333, 0, -0.1667], [0, 0.8333, 0.1667]], atol=1e-4)
    np.testing.assert_allclose(corner @ [-1, 1, 1], [-1, 1, 1], atol=1e-9, err_msg="that corner stays")


def test_warp_as_fastai() -> None:
    coefficients = perspective(-0.2, 0.2).ravel()[:8]
    np.testing.assert_allclose(
        coefficients, [1, -0.0870, 0.2174, -0.0870, 1, -0.2174, 0.2174, -0.2174], atol=1e-4
    )  # fmt: skip
    np.testing.assert_allclose(perspective(0, 0), np.eye(3), atol=1e-12)
    for x, y in ((0.3, -0.1), (-0.2, 0.35), (0.05, 0.2)):  # the corners go to those of the square
        tilted = np.array([(-1 - y, -1 - x, 1), (-1 + y, 1 + x, 1), (1 + y, -1 + x, 1), (1 - y, 1 - x, 1)]).T
        found = perspective(x, y) @ tilted
        np.testing.assert_allclose((found[:2] / found[2]).T, [(-1, -1), (-1, 1), (1, -1), (1, 1)], atol=1e-12)


def apply(brightness: float, contrast: float, values: list[float]) -> list[float]:
    images = torch.tensor(values).expand(1, 3, 1, -1)
    out = transforms.create("lighting").apply(images, torch.tensor([[brightness, contrast]]))
    assert out.shape == images.shape and torch.equal(out[0, 0], out[0, 2])
    return [float(v) for v in out[0, 0, 0]]


VALUES = [0.1, 0.25, 0.5, 0.75, 0.9]


def test_lighting_as_fastai() -> None:
    assert apply(0.6, 1.0, VALUES) == pytest.approx([0.1429, 0.3333, 0.6, 0.8182, 0.9310], abs=1e-4)
    assert apply(0.5, 1.25, VALUES) == pytest.approx([0.0603, 0.2021, 0.5, 0.7979, 0.9397], abs=1e-4)


def test_brightness_comes_before_contrast() -> None:
    """At .5 the logit is 0; brightness .6 makes it ln 1.5, and contrast 1.25 then 1.25 times that."""
    assert apply(0.6, 1.25, [0.5]) == pytest.approx([1 / (1 + 1.5**-1.25)], abs=1e-6)


def test_lighting_of_black_and_white_is_finite() -> None:
    assert apply(0.5, 1.0, [0.0, 1.0]) == pytest.approx([0, 1], abs=1e-6)
    out = apply(0.9, 3.0, [0.0, 1e-9, 1.0])
    assert all(math.isfinite(v) and 0 <= v <= 1 for v in out) and out[0] < 0.01 and out[-1] > 0.99


def test_lighting_changes_each_photo_by_its_own_draw_and_leaves_the_input_alone() -> None:
    images = torch.rand(3, 3, 4, 5, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1
    before = images.clone()
    lighting = transforms.create("lighting")
    out = lighting.apply(images, torch.tensor([(0.6, 1.1), (0.5, 1.0), (0.5, 0.9)]))
    assert torch.equal(images, before)
    torch.testing.assert_close(out[1], images[1], atol=1e-6, rtol=0)
    torch.testing.assert_close(out[:1], lighting.apply(images[:1], torch.tensor([(0.6, 1.1)])))
    assert (out[0] > images[0]).float().mean() > 0.6 and not torch.allclose(out[2], images[2], atol=1e-3)


def test_lighting_draws_as_fastai() -> None:
    brightness, contrast = drawn(transforms.create("lighting", max_lighting=0.2, p=0.75)).T
    changed = brightness[brightness != 0.5]
    assert len(changed) / DRAWS == pytest.approx(0.75, abs=0.03)
    assert 0.4 <= min(changed) < 0.405 and 0.595 < max(changed) <= 0.6
    factors = contrast[contrast != 1]
    assert len(factors) / DRAWS == pytest.approx(0.75, abs=0.03)
    assert 0.8 <= min(factors) < 0.81 and 1.24 < max(factors) <= 1.25
    assert np.log(factors).mean() == pytest.approx(0, abs=0.01)
    both = ((brightness != 0.5) & (contrast != 1)).mean()
    assert both == pytest.approx(0.5625, abs=0.03), "each by itself"


def test_flip_happens_to_half() -> None:
    flip = transforms.create("flip")
    draws = drawn(flip)
    assert happened(draws).mean() == pytest.approx(0.5, abs=0.03)
    (matrix,) = flip.matrices(draws[happened(draws)][:1], sizes((10, 20)))
    np.testing.assert_allclose(matrix @ [0, 3, 1], [20, 3, 1])


def test_vertical_flip_is_any_symmetry_of_the_square() -> None:
    flip = transforms.create("flip", vertical=True)
    counts = Counter(tuple(matrix.ravel()) for matrix in flip.matrices(drawn(flip), sizes((8, 8), DRAWS)))
    assert len(counts) == 8 and min(counts.values()) > DRAWS / 8 * 0.8
    assert tuple(np.eye(3).ravel()) in counts


@pytest.mark.parametrize("p", [0.0, 0.3, 0.75, 1.0])
@pytest.mark.parametrize("name", ["rotate", "zoom", "warp"])
def test_probabilities(name: str, p: float) -> None:
    draws = drawn(transforms.create(name, p=p), n=2000)
    assert happened(draws).mean() == pytest.approx(p, abs=0.04 if 0 < p < 1 else 0)


def test_ranges() -> None:
    rotate = transforms.create("rotate", max_deg=10.0, p=1.0)
    degrees = np.degrees(np.arcsin(drawn(rotate)[:, 0, 1]))
    assert -10 <= min(degrees) < -9.9 and 9.9 < max(degrees) <= 10
    assert np.std(degrees) == pytest.approx(10 / math.sqrt(3), rel=0.05), "uniform"
    matrices = drawn(transforms.create("zoom", min_zoom=1.0, max_zoom=1.1, p=1.0))
    factors = 1 / matrices[:, 0, 0]
    assert 1 <= min(factors) < 1.001 and 1.099 < max(factors) <= 1.1
    assert (np.abs(matrices[:, :2, 2]) <= 1 - matrices[:, :1, 0] + 1e-12).all(), "nothing outside"
    tilts = drawn(transforms.create("warp", magnitude=0.2, p=1.0))[:, 2, :2]
    limit = perspective(-0.2, 0.2)[2, 0]
    assert np.abs(tilts).max() <= limit + 1e-9 and (np.abs(tilts).max(0) > 0.9 * limit).all()
    assert abs(np.corrcoef(tilts.T)[0, 1]) < 0.06, "x and y by themselves"


def kinds(tfms: list[Any]) -> list[str]:
    return [type(t).__name__ for t in tfms]


def test_aug_transforms_has_fastais_defaults() -> None:
    tfms = transforms.create("aug_transforms")
    assert kinds(tfms) == ["Warp", "Flip", "Rotate", "Zoom", "Lighting"]
    by_name = dict(zip(kinds(tfms), tfms, strict=True))
    assert (by_name["Warp"].magnitude, by_name["Rotate"].max_deg) == (0.2, 10)
    assert (by_name["Zoom"].min_zoom, by_name["Zoom"].max_zoom) == (1.0, 1.1)
    assert by_name["Lighting"].max_lighting == 0.2
    assert [t.p for t in tfms] == [0.75, 0.5, 0.75, 0.75, 0.75]
    assert {t.pad_mode for t in tfms[:4]} == {"reflection"} and not by_name["Flip"].vertical


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"do_flip": False}, ["Warp", "Rotate", "Zoom", "Lighting"]),
        ({"do_flip": False, "flip_vert": True}, ["Warp", "Flip", "Rotate", "Zoom", "Lighting"]),
        ({"max_rotate": 0.0, "max_warp": 0.0}, ["Flip", "Zoom", "Lighting"]),
        ({"max_zoom": 1.0, "max_lighting": 0.0}, ["Warp", "Flip", "Rotate"]),
        ({"mult": 0.0}, ["Flip", "Zoom"]),
        ({"size": 224}, ["Warp", "Flip", "Rotate", "Zoom", "RandomResizedCrop", "Lighting"]),
    ],
)
def test_aug_transforms_leaves_out_what_is_turned_off(options: dict[str, Any], names: list[str]) -> None:
    assert kinds(transforms.create("aug_transforms", **options)) == names


def test_aug_transforms_mult() -> None:
    warp, _, rotate, zoom, lighting = transforms.create("aug_transforms", mult=2.0)
    assert (warp.magnitude, rotate.max_deg, zoom.max_zoom, lighting.max_lighting) == (
        0.35,
        20,
        1.1,
        0.4,
    )  # a warp beyond .35 folds


def test_the_warp_acts_after_the_affine_grid() -> None:
    """Points go through Flip, Rotate and Zoom first, and through the warp last, as in fastai."""
    tfms = [t for t in transforms.create("aug_transforms", p_affine=1.0) if isinstance(t, Geometric)]
    square, draws = sizes((50, 50), 3), Draws(7, 0, range(3))
    total, _ = compose(tfms, square, Draws(7, 0, range(3)), True)
    warp, flip, rotate, zoom = (t.matrices(t.draw(square, draws, True), square) for t in tfms)
    np.testing.assert_allclose(total, warp @ (flip @ rotate @ zoom), atol=1e-12)


@pytest.mark.parametrize(("min_scale", "ratio"), [(0.08, (3 / 4, 4 / 3)), (0.3, (3 / 4, 4 / 3)), (0.75, (1.0, 1.0))])
@pytest.mark.parametrize("size", [(300, 400), (480, 320)])
def test_random_crops_are_torchvisions(min_scale: float, ratio: tuple[float, float], size: tuple[int, int]) -> None:
    crop = transforms.create("random_resized_crop", size=224, min_scale=min_scale, ratio=list(ratio))
    boxes = drawn(crop, size, 3000)
    ours_w, ours_h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert boxes.min() >= 0 and boxes[:, 2].max() <= size[1] and boxes[:, 3].max() <= size[0]
    torch.manual_seed(0)
    image = torch.zeros(1, *size)
    theirs = np.array([Reference.get_params(image, [min_scale, 1.0], list(ratio)) for _ in range(3000)], float)
    top, left, h, w = theirs.T
    total = size[0] * size[1]
    for ours, reference in (
        (ours_w * ours_h / total, w * h / total),
        (np.log(ours_w / ours_h), np.log(w / h)),
        ((boxes[:, 0] + boxes[:, 2]) / 2 / size[1], (left + w / 2) / size[1]),
        ((boxes[:, 1] + boxes[:, 3]) / 2 / size[0], (top + h / 2) / size[0]),
    ):
        for quantile in (0.05, 0.25, 0.5, 0.75, 0.95):
            assert np.quantile(ours, quantile) == pytest.approx(np.quantile(reference, quantile), abs=0.03)


def test_random_crops_where_none_fits_take_the_centre() -> None:
    crop = transforms.create("random_resized_crop", size=10, min_scale=1.0, ratio=[1.0, 1.0])
    assert (drawn(crop, (20, 60), 20) == (20, 0, 40, 20)).all()


def test_random_crops_have_the_shape_of_the_target() -> None:
    crop = transforms.create("random_resized_crop", size=[20, 40], min_scale=0.2, ratio=[1.0, 1.0])
    boxes = drawn(crop, (100, 100), 100)
    np.testing.assert_allclose((boxes[:, 2] - boxes[:, 0]) / (boxes[:, 3] - boxes[:, 1]), 2)
    (matrix,) = crop.matrices(np.array([(10, 20, 50, 40)]), sizes((100, 100)))
    assert crop.sizes_after(sizes((100, 100))).tolist() == [[20, 40]]
    np.testing.assert_allclose(matrix @ np.array([[0, 40], [0, 20], [1, 1]]), [[10, 50], [20, 40], [1, 1]])


def test_random_crop_in_validation_is_the_centre() -> None:
    crop = transforms.create("random_resized_crop", size=224, val_xtra=0.14)
    left, top, right, bottom = crop.draw(sizes((300, 400)), Draws(0, 0, [0]), False)[0]
    assert (right - left, bottom - top) == pytest.approx((300 / 1.14, 300 / 1.14))
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((200, 150))
    plain = transforms.create("aug_transforms", size=224, min_scale=0.75)[-2]
    shown = plain.draw(sizes((300, 400)), Draws(0, 0, [0]), False)
    assert shown.tolist() == [[50, 0, 350, 300]], "the second step of presizing shows it all"


def test_resize_takes_any_place_in_training_and_the_centre_in_validation() -> None:
    resize = transforms.create("resize", size=30)
    boxes = drawn(resize, (60, 100))
    assert set(map(tuple, boxes[:, [1, 3]])) == {(0, 60)}
    np.testing.assert_allclose(boxes[:, 2] - boxes[:, 0], 60)
    assert 0 <= boxes[:, 0].min() < 0.5 and 39.5 < boxes[:, 0].max() <= 40
    assert boxes[:, 0].mean() == pytest.approx(20, abs=1)
    assert resize.draw(sizes((60, 100)), Draws(0, 0, [0]), False).tolist() == [[20, 0, 80, 60]]
    for method in ("pad", "squish"):
        still = transforms.create("resize", size=30, method=method)
        assert (drawn(still, (60, 100), 20) == still.view.box((60, 100))).all()


def test_the_notebooks_words() -> None:
    Resize, ResizeMethod, PadModes = (vars(plugins)[n] for n in ("Resize", "ResizeMethod", "PadModes"))
    assert Resize(460, ResizeMethod.Squish).view == View((460, 460), "squish", "reflection")
    assert Resize(460, ResizeMethod.Pad, pad_mode="zeros").view == View((460, 460), "pad", "zeros")
    assert Resize((20, 40), pad_mode=PadModes.Border).view.size == (20, 40)
    assert transforms.create("resize", size=9, method=ResizeMethod.Pad).view.method == "pad"
    assert vars(plugins)["RandomResizedCrop"](460, min_scale=0.3).min_scale == 0.3


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resize", {"size": 0}, "not between 1 and 4096"),
        ("resize", {"size": [10, -3]}, "not between 1 and 4096"),
        ("resize", {"size": 100_000_000}, "not between 1 and 4096"),
        ("random_resized_crop", {"ratio": [-1.0, 2.0]}, "smallest"),
        ("zoom", {"min_zoom": 2.0, "max_zoom": 1.0}, "at most max_zoom"),
        ("resize", {"size": 1.5}, "a whole number or a list of a whole number and a whole number"),
        ("resize", {"size": [1, 2, 3]}, "size"),
        ("resize", {"method": "stretch"}, "'crop', 'pad', 'squish'"),
        ("rotate", {"p": 1.2}, "between 0 and 1"),
        ("random_resized_crop", {"min_scale": 0.0}, "between 0.01 and 1"),
        ("aug_transforms", {"max_lighting": 1.0}, "between 0 and 0.9"),
    ],
)
def test_options_that_make_no_sense(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        transforms.create(name, **options)
