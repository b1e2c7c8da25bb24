"""Many photos predicted in batches, against each of them predicted alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from core.data.photo import BadPhoto
from core.model.folder import load_model
from core.model.predictor import Predictor
from tests.core.model.old_models import BEFORE, folder_of


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return load_model(folder_of(BEFORE / "linear", tmp_path_factory.mktemp("model") / "model"))


@pytest.mark.parametrize("batch_size", [1, 3, 32])
def test_many_photos_have_the_answers_of_each_alone_in_order(
    predictor: Predictor, photos: Path, batch_size: int
) -> None:
    files = sorted(photos.glob("*.jpg"))[:7]
    found = list(predictor.predict_many(files, batch_size))
    assert [item for item, _ in found] == files
    for file, logits in found:
        assert isinstance(logits, Tensor)
        torch.testing.assert_close(logits.softmax(0), predictor.predict(file)[2])


def test_what_is_no_photo_comes_back_with_its_reason_in_its_place(
    predictor: Predictor, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    good = min(photos.glob("*.jpg"))
    items = [tmp_path / "broken.jpg", good, tmp_path / "gone.jpg", good]
    kinds = [type(answer) for _, answer in predictor.predict_many(items, batch_size=2)]
    assert kinds == [BadPhoto, Tensor, BadPhoto, Tensor]
    assert [type(answer) for _, answer in predictor.predict_many(items[:1])] == [BadPhoto]
    assert not list(predictor.predict_many([]))


def test_they_are_asked_in_batches_of_what_can_be_read(predictor: Predictor, photos: Path, tmp_path: Path) -> None:
    sizes: list[int] = []

    def logits(batch: Tensor) -> Tensor:
        sizes.append(len(batch))
        return predictor.logits(batch)

    items = [*sorted(photos.glob("*.jpg"))[:4], tmp_path / "gone.jpg"]
    assert len(list(predictor.predict_many(items, batch_size=3, logits=logits))) == 5 and sizes == [3, 1]
