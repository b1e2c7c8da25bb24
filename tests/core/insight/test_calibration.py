"""A temperature that undoes a known exaggeration, an error that is honest, and the same confidence everywhere."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from core.errors import BadInput
from core.insight.calibration import calibrate, cross_fitted, described, fit_temperature, reliability
from core.model.calibration import Calibration
from core.model.folder import load_model, read_config
from core.runs.evaluate import evaluate
from core.runs.predictions import predictions_of
from core.runs.run import Run


def drawn(photos: int, exaggerated: float = 1.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits of ten classes, exaggerated, with targets drawn from the true probabilities."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(photos, 10, generator=generator)
    return exaggerated * logits, torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]


@pytest.mark.parametrize("exaggerated", [0.5, 1.0, 3.0])
def test_an_exaggeration_is_undone(exaggerated: float) -> None:
    found = calibrate(*drawn(3000, exaggerated))
    assert found.temperature == pytest.approx(exaggerated, rel=0.07)
    assert found.low <= found.error <= found.high and found.error < 0.04
    assert found.error < found.before or exaggerated == 1
    assert found.error < 2 * found.chance, "what is left is chance"


def test_few_photos_are_a_guess_that_stays_near_one() -> None:
    logits, _ = drawn(8)
    for targets in (logits.argmax(1), logits.argmin(1)):  # all right, all wrong
        assert 0.4 < fit_temperature(logits, targets) < 10
    assert "guess" in described(calibrate(logits, logits.argmax(1)))
    assert "guess" not in described(calibrate(*drawn(200)))
    assert calibrate(logits[:1], logits[:1].argmax(1)).photos == 1


def test_the_error_is_that_of_photos_the_temperature_has_not_seen() -> None:
    logits, targets = drawn(60, 2.0)
    confidence, right = cross_fitted(logits, targets)
    fitted_on_all = (logits.double() / fit_temperature(logits, targets)).softmax(1).max(1).values
    assert right.equal(logits.argmax(1) == targets) and not torch.allclose(confidence, fitted_on_all, atol=1e-4)
    bins = reliability(confidence, right)
    assert sum(bins.photos) == 60 and bins.confidence == sorted(bins.confidence)


def test_a_runs_confidence_is_the_calibrated_one_everywhere(trained: Run, workspace: Path) -> None:
    config, model, results = read_config(trained.folder), load_model(trained.folder), predictions_of(trained)
    assert (
        config.calibration.photos == len(results.targets) and model.temperature == config.calibration.temperature != 1
    )
    inputs = torch.stack([model.prepare(item) for item in results.items])
    torch.testing.assert_close(model.logits(inputs), results.logits, rtol=1e-3, atol=1e-3)
    raw = replace(model, temperature=1.0).logits(inputs)
    torch.testing.assert_close(raw, model.logits(inputs) * model.temperature)
    assert evaluate(trained, workspace)["accuracy"] == (raw.argmax(1) == results.targets).double().mean()
    assert "guess" in trained.read("README.md")


@pytest.mark.parametrize("temperature", [0, -1, 1e9, float("nan"), "x", None])
def test_a_temperature_that_is_none_is_refused(trained: Run, tmp_path: Path, temperature: object) -> None:
    document = json.loads((trained.folder / "config.json").read_text())
    document["presize"]["calibration"]["temperature"] = temperature
    (tmp_path / "config.json").write_text(json.dumps(document))
    with pytest.raises(BadInput, match=r"temperature|float"):
        read_config(tmp_path)


def test_a_model_without_calibration_is_as_before() -> None:
    assert Calibration.of(None).temperature == 1.0
