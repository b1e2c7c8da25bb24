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

from core.data.transforms import BatchTransform, Geometric, Pixel, box_matrix
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
    "architectures": {"resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "timm", "efficientnet_lite0"},
    "exporters": {"onnx", "torch_export"},
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
SIZES = [(300, 200), (200, 300), (64, 64), (460, 31)]


@pytest.mark.parametrize("transform", GEOMETRIC)
def test_a_geometric_transform_draws_finite_matrices(transform: Geometric) -> None:
    for size in SIZES:
        for seed in range(50):
            matrix, out = transform.matrix(transform.draw(size, Random(seed), True), size)
            assert matrix.shape == (3, 3) and np.isfinite(matrix).all() and abs(np.linalg.det(matrix)) > 1e-9
            assert out == (transform.view.size if transform.view else size)
            corners = matrix @ np.array([[0, out[1], 0, out[1]], [0, 0, out[0], out[0]], [1, 1, 1, 1.0]])
            assert (corners[2] > 0).all(), "nothing is seen from behind"


@pytest.mark.parametrize("transform", GEOMETRIC)
def test_a_geometric_transform_at_rest_is_its_view(transform: Geometric) -> None:
    for size in SIZES:
        for seed in range(5):
            matrix, out = transform.matrix(transform.draw(size, Random(seed), False), size)
            view = transform.view
            np.testing.assert_allclose(matrix, box_matrix(view.box(size), view.size) if view else np.eye(3), atol=1e-9)
            assert out == (view.size if view else size)


@pytest.mark.parametrize("transform", PIXEL)
def test_a_pixel_transform_keeps_shape_and_range_and_rests(transform: Pixel) -> None:
    images = torch.rand(4, 3, 8, 6, generator=torch.Generator().manual_seed(0))
    before = images.clone()
    for seed in range(20):
        draws = [transform.draw((8, 6), Random(f"{seed}/{i}"), True) for i in range(4)]
        out = transform.apply(images, draws)
        assert out.shape == images.shape and out.isfinite().all() and out.min() >= 0 and out.max() <= 1
        assert torch.equal(out, transform.apply(images, draws))
    assert torch.equal(images, before)
    assert transform.draw((8, 6), Random(0), False) is None, "in validation nothing is done"


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
def test_draws_repeat(transform: Geometric | Pixel) -> None:
    first, second = (transform.draw((60, 50), Random("0/1/2"), True) for _ in range(2))
    assert np.array_equal(np.asarray(first, object), np.asarray(second, object))


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
