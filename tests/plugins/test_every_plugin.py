"""What holds for every plugin; a new one is covered by being there."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch

from core.data.draws import Draws
from core.data.transforms import BatchTransform, Geometric, Pixel, box_matrices, view_boxes
from core.discovery import discover
from core.errors import BadInput
from core.registry import Entry, check_options, registries, splitters, transforms

found = discover()
ENTRIES = [pytest.param(kind, entry, id=f"{kind}-{entry.name}") for kind, r in registries.items() for entry in r]
BUILT_IN = {
    "sources": {"folder", "zip", "sample", "pets"},
    "labellers": {"regex", "folder", "csv", "by_hand"},
    "splitters": {"random", "stratified", "grandparent", "folder", "table", "file", "group"},
    "transforms": {"resize", "random_resized_crop", "aug_transforms", "flip", "rotate", "zoom", "warp", "lighting"}
    | {"mixup", "cutmix"},
    "losses": {"cross_entropy", "focal"},
    "metrics": {"accuracy", "error_rate", "f1_macro", "macro_error", "top_k_accuracy"},
    "optimizers": {"adamw", "sgd"},
    "architectures": {"timm", *(f"resnet{n}" for n in (18, 34, 50, 101, 152))}
    | {f"efficientnet_lite{n}" for n in range(3)},
    "exporters": {"onnx", "onnx_fp16", "onnx_int8", "page", "torch_export", "openvino", "litert"},
}


def test_all_are_found_and_none_fails() -> None:
    assert found.failures == {}
    for kind, names in BUILT_IN.items():
        assert names <= {entry.name for entry in registries[kind]}


def test_every_file_is_a_plugin() -> None:
    """A file in plugins/KIND/ registers something of its KIND, and nothing of another."""
    for module in found.modules:
        if module.__name__.startswith("plugins."):
            kind = module.__name__.split(".")[1]
            at = {k for k, r in registries.items() for entry in r if entry.module == module.__name__}
            assert at == {kind}


@pytest.mark.parametrize(("kind", "entry"), ENTRIES)
def test_it_says_what_it_is(kind: str, entry: Entry[Any]) -> None:
    assert entry.help.endswith(".") and len(entry.help) > 15 and "\n" not in entry.help
    assert entry.name == entry.name.lower().strip() and entry.name.replace("_", "").isalnum()
    for param in entry.params:
        assert param.name != "name", "is what a recipe calls the plugin"
        assert param.help or param.type is bool, f"{param.name} has no help"


@pytest.mark.parametrize(("kind", "entry"), ENTRIES)
def test_its_defaults_pass_its_own_check(kind: str, entry: Entry[Any]) -> None:
    defaults = {p.name: p.default for p in entry.params if not p.required}
    for param in entry.params:
        if not param.required:
            param.check(param.default, entry.name)
            if param.range and isinstance(param.default, (int, float)):
                assert param.range.low < param.range.high
    required = {p.name for p in entry.params if p.required}
    if not required:
        check_options(entry.params, json.loads(json.dumps(defaults)), entry.name)  # as a recipe would bring them
    else:
        with pytest.raises(BadInput, match=" needs "):
            check_options(entry.params, defaults, entry.name)


@pytest.mark.parametrize(("kind", "entry"), ENTRIES)
def test_it_refuses_a_option_that_it_does_not_have(kind: str, entry: Entry[Any]) -> None:
    with pytest.raises(BadInput, match="has no option 'nonsense'"):
        registries[kind].check({"name": entry.name, "nonsense": 1})


@pytest.mark.parametrize(("kind", "entry"), ENTRIES)
def test_what_the_engine_supplies_stands_before_the_slash(kind: str, entry: Entry[Any]) -> None:
    supplied = [p for p in inspect.signature(entry.factory).parameters.values() if p.kind is p.POSITIONAL_ONLY]
    counts = {"sources": 1, "architectures": 1, "losses": 1, "metrics": 2, "optimizers": 1, "panels": 1}
    assert len(supplied) == counts.get(kind, 0)


def built(entry: Entry[Any]) -> list[Any]:
    """The transforms that an entry's defaults make."""
    made = entry.factory()
    return made if isinstance(made, list) else [made]


TRANSFORMS = [
    pytest.param(t, id=f"{e.name}-{type(t).__name__}")
    for e in transforms
    if not any(p.required for p in e.params)
    for t in built(e)
]
GEOMETRIC = [p for p in TRANSFORMS if isinstance(p.values[0], Geometric)]
PIXEL = [p for p in TRANSFORMS if isinstance(p.values[0], Pixel)]
BATCH = [p for p in TRANSFORMS if isinstance(p.values[0], BatchTransform)]
SIZES = np.array([(300, 200), (200, 300), (64, 64), (460, 31)] * 50, float)
PHOTOS = range(len(SIZES))


@pytest.mark.parametrize("transform", GEOMETRIC)
def test_a_geometric_transform_draws_finite_matrices(transform: Geometric) -> None:
    matrices = transform.matrices(transform.draw(SIZES, Draws(0, 0, PHOTOS), True), SIZES)
    assert matrices.shape == (len(SIZES), 3, 3) and np.isfinite(matrices).all()
    assert (abs(np.linalg.det(matrices)) > 1e-9).all()
    after = transform.sizes_after(SIZES)
    assert (after == (transform.view.size if transform.view else SIZES)).all()
    for matrix, (height, width) in zip(matrices, after, strict=True):
        corners = matrix @ np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1.0]])
        assert (corners[2] > 0).all(), "nothing is seen from behind"


@pytest.mark.parametrize("transform", GEOMETRIC)
def test_a_geometric_transform_in_validation_is_its_view(transform: Geometric) -> None:
    matrices, view = transform.matrices(transform.draw(SIZES, Draws(0, 0, PHOTOS), False), SIZES), transform.view
    expected = box_matrices(view_boxes(view, SIZES), view.size) if view else np.tile(np.eye(3), (len(SIZES), 1, 1))
    np.testing.assert_allclose(matrices, expected, atol=1e-9)


@pytest.mark.parametrize("transform", PIXEL)
def test_a_pixel_transform_keeps_shape_and_range(transform: Pixel) -> None:
    images = torch.rand(4, 3, 8, 6, generator=torch.Generator().manual_seed(0))
    before = images.clone()
    for epoch in range(20):
        drawn = torch.from_numpy(transform.draw(np.full((4, 2), (8.0, 6.0)), Draws(0, epoch, range(4)))).float()
        out = transform.apply(images, drawn)
        assert out.shape == images.shape and out.isfinite().all() and out.min() >= 0 and out.max() <= 1
        assert torch.equal(out, transform.apply(images, drawn))
        torch.testing.assert_close(out[2:3], transform.apply(images[2:3], drawn[2:3]))
    assert torch.equal(images, before)


@pytest.mark.parametrize("transform", BATCH)
def test_a_batch_transform_keeps_shape_and_range_and_shares_of_one(transform: BatchTransform) -> None:
    images = torch.rand(5, 3, 8, 6, generator=torch.Generator().manual_seed(0))
    targets = torch.eye(3)[[0, 1, 2, 1, 0]]
    before = images.clone(), targets.clone()
    for seed in range(20):
        drawn = transform.draw(5, (8, 6), Random(seed))
        assert drawn == transform.draw(5, (8, 6), Random(seed)), "draws repeat"
        out, soft = transform.apply(images, targets, drawn)
        assert out.shape == images.shape and out.min() >= 0 and out.max() <= 1
        assert soft.shape == targets.shape and soft.min() >= 0
        torch.testing.assert_close(soft.sum(1), torch.ones(5))
        assert torch.equal(images, before[0]) and torch.equal(targets, before[1])
    _, alone = transform.apply(images[:1], targets[:1], transform.draw(1, (8, 6), Random(0)))
    torch.testing.assert_close(alone, targets[:1], msg="there is no other label to mix with")


@pytest.mark.parametrize("transform", [*GEOMETRIC, *PIXEL])
def test_what_is_drawn_for_a_photo_depends_on_no_other(transform: Geometric | Pixel) -> None:
    def drawn(indices: list[int]) -> Any:
        training = (True,) if isinstance(transform, Geometric) else ()
        return transform.draw(SIZES[indices], Draws(3, 1, indices), *training)

    together = drawn([4, 1, 2, 7])
    assert len(together) == 4 and np.array_equal(together, drawn([4, 1, 2, 7]))
    assert np.array_equal(together[2:], drawn([2, 7])) and np.array_equal(together[:1], drawn([4]))


@pytest.mark.parametrize("name", [e.name for e in splitters if not any(p.required for p in e.params)])
def test_a_splitter_divides(name: str) -> None:
    items = [
        Path("photos", side, label, f"{i}.jpg") for side in ("train", "valid") for label in "ab" for i in range(10)
    ]
    splitter: Callable[..., Any] = splitters.create(name)
    takes_labels = len(inspect.signature(splitter).parameters) > 1
    train, valid = splitter(items, [i.parent.name for i in items]) if takes_labels else splitter(items)
    assert train and valid and not {*train} & {*valid}
    assert len({*train}) == len(train) and len({*valid}) == len(valid) and {*train, *valid} <= {*range(40)}
