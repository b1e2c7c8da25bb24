"""Fitting the temperature on validation photos, and measuring honestly how well confidence matches accuracy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL.Image import Image
from torch import Tensor
from torch.nn.functional import cross_entropy

from core.data import pictures
from core.insight.heads import FOLDS, folds_of
from core.model.calibration import HIGHEST, LOWEST, Calibration

ENOUGH = 100  # validation photos; below, the temperature is a guess
BINS, PER_BIN = 15, 20
PRIOR = 0.5  # standard deviation of log temperature; without it, a few photos without a mistake would give 0
RESAMPLED, WORK = 200, 1_000_000  # resamples at most, and photos in all of them
STEPS = 30  # of the golden-section search, which narrows the logarithm to 5e-6
FITTED = 4_000_000  # logits at most; more photos would change the temperature by less than it matters


@dataclass(frozen=True)
class Reliability:
    """The mean confidence, the accuracy and the number of photos of each bin, least confident first."""

    confidence: list[float]
    accuracy: list[float]
    photos: list[int]

    def plot(self) -> Image:
        """The reliability diagram as an image."""
        lines: dict[str, Sequence[float]] = {"accuracy": self.accuracy, "perfectly calibrated": self.confidence}
        return pictures.curve(self.confidence, lines, "Accuracy by confidence")


def calibrate(logits: Tensor, targets: Tensor) -> Calibration:
    """The temperature of validation logits [N, C], and the error of confidences that never saw their own photo."""
    temperature = fit_temperature(logits, targets)
    confidence, right = cross_fitted(logits, targets)
    error, before = (calibration_error(c, right) for c in (confidence, logits.double().softmax(1).max(1).values))
    low, high = _interval(confidence, right, error)
    return Calibration(temperature, len(targets), error, low, high, _chance(confidence), before)


def described(found: Calibration) -> str:
    """What the confidences of a model are worth, in sentences."""
    if found.photos < ENOUGH:
        return (
            f"With {found.photos} validation photos every confidence is a guess, and so is the temperature "
            f"{found.temperature:.2f} that corrects it: {ENOUGH} validation photos or more would tell."
        )
    return (
        f"The temperature {found.temperature:.2f} was fitted on {found.photos:,} validation photos. Confidence and "
        f"accuracy differ by {found.error:.3f} on average (cross-fitted, 95 % interval {found.low:.3f} to "
        f"{found.high:.3f}), before calibration by {found.before:.3f}; chance alone would make it {found.chance:.3f}."
    )


def fit_temperature(logits: Tensor, targets: Tensor) -> float:
    """The temperature with the lowest cross-entropy on logits [N, C], drawn to 1 where there are few photos."""
    if logits.shape[1] < 2 or not len(logits):
        return 1.0
    step = math.ceil(logits.numel() / FITTED)
    scores, targets = logits[::step].double(), targets[::step]

    def cost(log_t: float) -> float:
        nats = cross_entropy(scores / math.exp(log_t), targets, reduction="sum").item()
        return nats + log_t**2 / (2 * PRIOR**2)

    low, high, ratio = math.log(LOWEST), math.log(HIGHEST), (math.sqrt(5) - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = cost(left), cost(right)
    for _ in range(STEPS):  # both terms have one minimum along the logarithm
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = cost(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = cost(right)
    return round(math.exp((low + high) / 2), 6)


def cross_fitted(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Confidences [N], each at a temperature that was fitted without its photo's fold, and which are right [N]."""
    predicted = logits.argmax(1)
    confidence = torch.empty(len(targets), dtype=torch.double)
    folds = folds_of(predicted.eq(targets).int().tolist(), range(len(targets)))
    for fold in range(FOLDS):
        own = folds == fold
        if own.any():
            temperature = fit_temperature(logits[~own], targets[~own])
            confidence[own] = (logits[own].double() / temperature).softmax(1).max(1).values
    return confidence, predicted == targets


def reliability(confidence: Tensor, right: Tensor) -> Reliability:
    """Accuracy by confidence, in up to 15 bins with the same number of photos each."""
    bins = confidence.argsort(stable=True).tensor_split(_bins(len(right)))
    means = [[values[b].double().mean().item() for b in bins] for values in (confidence, right)]
    return Reliability(means[0], means[1], [len(b) for b in bins])


def calibration_error(confidence: Tensor, right: Tensor) -> float:
    """The expected calibration error: the mean distance of confidence and accuracy over bins of equal size."""
    ordered, order = confidence.double().sort(stable=True)
    return _error(ordered - right[order].double())


def _interval(confidence: Tensor, right: Tensor, error: float) -> tuple[float, float]:
    """The basic bootstrap's 95 % interval, which allows for the error's bias: noise in a bin never cancels."""
    ordered, order = confidence.sort(stable=True)
    gaps, n, generator = ordered - right[order].double(), len(right), torch.Generator().manual_seed(0)
    drawn = (torch.randint(n, (n,), generator=generator).bincount(minlength=n) for _ in range(_resampled(n)))
    found = torch.tensor([_error(gaps * times) for times in drawn])
    low, high = found.quantile(torch.tensor([0.025, 0.975])).tolist()
    return max(0.0, 2 * error - high), max(error, 2 * error - low)


def _chance(confidence: Tensor) -> float:
    """The mean calibration error of a perfectly calibrated model with these confidences."""
    ordered, n, generator = confidence.sort().values, len(confidence), torch.Generator().manual_seed(0)
    drawn = (torch.rand(n, generator=generator, dtype=torch.double) < ordered for _ in range(_resampled(n)))
    return sum(_error(ordered - right.double()) for right in drawn) / _resampled(n)


def _error(gaps: Tensor) -> float:
    """The calibration error of confidence minus outcome [N], sorted by confidence."""
    ends = torch.tensor([len(b) for b in gaps.tensor_split(_bins(len(gaps)))]).cumsum(0) - 1
    sums = gaps.cumsum(0)[ends].diff(prepend=gaps.new_zeros(1))
    return sums.abs().sum().item() / len(gaps)


def _bins(photos: int) -> int:
    return max(1, min(BINS, photos // PER_BIN))


def _resampled(photos: int) -> int:
    return max(40, min(RESAMPLED, WORK // photos))
