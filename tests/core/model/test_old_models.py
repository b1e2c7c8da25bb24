"""Models that an earlier version wrote are loaded, and answer as they did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from core.model.folder import load_model, weights_of
from tests.core.model.old_models import BEFORE, folder_of, photo


@pytest.mark.parametrize("kept", sorted(BEFORE.iterdir()), ids=lambda kept: kept.name)
def test_a_model_of_an_earlier_version_answers_as_it_did(kept: Path, tmp_path: Path) -> None:
    model = load_model(folder_of(kept, tmp_path / "model"))
    expected = torch.tensor(json.loads((kept / "probabilities.json").read_text()))
    torch.testing.assert_close(model.predict(photo())[2], expected, rtol=0, atol=1e-5)
    names = {name for name, tensor in weights_of(model.architecture).items() if tensor.is_floating_point()}
    assert names == set(json.loads((kept / "shapes.json").read_text())), "it would be written under the same names"
