"""What a run's confidence is worth: the reliability diagram, and accuracy and coverage by threshold."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from core.model.doubt import read_threshold
from core.runs.run import Run
from plugins.panels.kit.views.accuracy import saves
from plugins.panels.kit.views.charts import Axes, Line, Mark, chart
from plugins.panels.kit.views.confusion import Results
from plugins.panels.kit.views.html import Html, button, card, joined, notes, percent

if TYPE_CHECKING:  # imports torch, which takes seconds
    from core.insight.calibration import Reliability

CHART = 620  # units wide
PROPOSED = (0.9, 0.95, 0.99)  # accuracies of what is answered
Point = tuple[float, float]


@dataclass(frozen=True)
class Confidence:
    """The sentence about a run's calibration, and accuracy by cross-fitted confidence."""

    said: str
    bins: Reliability
    drawn: bool  # too few photos make a diagram that says nothing


def confidence_card(run: Run, found: Results) -> Html:
    """Both charts with their sentences."""
    known = _confidence(run.folder, found.key)
    said = notes([known.said], "note")
    if known.drawn:
        said = _diagram(known) + said + saves(found, "reliability")
    reliable = card("Is its confidence right?", said, "Of photos with a confidence of 80 %, 8 of 10 should be right.")
    return Html('<div class="confidence">{}{}</div>').format(
        reliable, _threshold_card(found, read_threshold(run.folder))
    )


def _diagram(known: Confidence) -> Html:
    points = [(100 * c, a) for c, a in zip(known.bins.confidence, known.bins.accuracy, strict=True)]
    lines = [Line("perfect", [(0, 0), (100, 1)], "validation"), Line("this model", points, "training", dots=True)]
    axes = Axes((0, 100), (0, 1), y_percent=True, x_title="confidence, %", y_title="accuracy", width=CHART)
    return chart("Accuracy by confidence", axes, lines)


def reliability_of(run: Run, found: Results) -> Reliability:
    """Accuracy by cross-fitted confidence."""
    return _confidence(run.folder, found.key).bins


def coverage(found: Results) -> list[tuple[float, float, float]]:
    """For each threshold with an answer: the share of photos that are answered, and the accuracy of these."""
    ranked = _Ranked(found)
    return [(t / 100, *ranked.at(t / 100)) for t in range(101) if ranked.at(t / 100)[0]]


def threshold_of_click(x: object) -> float:
    """The threshold that a click on the second chart chose; raises ValueError."""
    return round(min(100.0, max(0.0, float(str(x)))) / 100, 2)


@lru_cache(maxsize=16)
def _threshold_card(found: Results, chosen: float) -> Html:
    ranked = _Ranked(found)
    axes = Axes((0, 100), (0, 1), y_percent=True, x_title="confidence from which it answers, %", width=CHART)
    steps = coverage(found)
    lines = [
        Line("answered", [(100 * t, answered) for t, answered, _ in steps], "validation"),
        Line("right, of these", [(100 * t, right) for t, _, right in steps], "training"),
    ]
    share, correct = ranked.at(chosen)
    marks = [Mark(f"{chosen:.0%}", (100 * chosen, correct), True)] if chosen else []
    drawn = chart("Accuracy and coverage by threshold", axes, lines, marks, pick=True)
    said = (
        f"Below a confidence of {chosen:.0%} it answers “not sure”. Of the validation photos it answers "
        f"{percent(share)}, and {percent(correct)} of these are right."
        if chosen
        else f"It answers every photo, and {percent(correct)} are right. Click the chart to let it say “not sure”."
    )
    offered = [button("Answer every photo", "threshold", {"x": 0})] * bool(chosen)
    goals = [goal for goal in PROPOSED if goal > ranked.at(0)[1]]
    proposed = {low: goal for goal in goals if (low := ranked.low(goal)) is not None}
    for low, goal in proposed.items():
        offered.append(button(f"{goal:.0%} right: answers {percent(ranked.at(low)[0])}", "threshold", {"x": 100 * low}))
    offers = Html('<p class="offers">{}</p>').format(joined(offered))
    body = joined([drawn, notes([said], "note"), offers, saves(found, "coverage")])
    return card("When should it say “not sure”?", body, "What you choose is kept with this model.")


class _Ranked:
    """Validation photos by confidence: at a threshold, how many are answered, and how many of these rightly."""

    def __init__(self, found: Results) -> None:
        ranked = sorted((seen.confidence, not seen.wrong) for seen in found.photos)
        self.confidences = [confidence for confidence, _ in ranked]
        self.right = [0, *accumulate(right for _, right in reversed(ranked))]

    def at(self, threshold: float) -> Point:
        """The share of photos with at least that confidence, and their accuracy."""
        answered = len(self.confidences) - bisect_left(self.confidences, threshold)
        return answered / len(self.confidences), self.right[answered] / max(1, answered)

    def low(self, goal: float) -> float | None:
        """The lowest threshold in hundredths at which that share of the answers is right, if there is one."""
        found = (t / 100 for t in range(101) if self.at(t / 100)[0] and self.at(t / 100)[1] >= goal)
        return next(found, None)


@lru_cache(maxsize=8)
def _confidence(folder: Path, key: str) -> Confidence:
    from core.insight.calibration import ENOUGH, cross_fitted, described, reliability
    from core.model.folder import read_config
    from core.runs.predictions import predictions_of

    calibration, results = read_config(folder).calibration, predictions_of(Run(folder))
    if not calibration.photos:  # an older model
        confidence, predicted = results.logits.softmax(1).max(1)
        said = "This model was saved without a temperature; train it again for a calibrated confidence."
        return Confidence(said, reliability(confidence, predicted == results.targets), len(confidence) >= ENOUGH)
    bins = reliability(*cross_fitted(results.logits * calibration.temperature, results.targets))
    return Confidence(described(calibration), bins, calibration.photos >= ENOUGH)
