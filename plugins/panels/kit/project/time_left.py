"""How long a run under way still takes: by what its epochs took, and before that by what was expected of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from plugins.panels.kit.project.expected import UNFROZEN, Expected

if TYPE_CHECKING:
    from plugins.panels.kit.project.run_view import StageProgress

RECENT = 3  # epochs that say how long the next ones take
WEIGHT = 0.5  # epochs that an expectation weighs, until some have ended
ENOUGH = 4.0  # seconds of steps from which an epoch is extrapolated where nothing was expected of it
SLOWER, FEW = 1.25, 5.0  # a countdown rises where it takes that many times as long, and that many seconds more


class Countdown:
    """An estimate that falls at once, but stands still where the next one is higher, unless it was clearly too low."""

    def __init__(self) -> None:
        self._shown: float | None = None

    def to(self, left: float) -> float:
        """The seconds to show, where `left` is the newest estimate."""
        if self._shown is None or left < self._shown or left > SLOWER * self._shown + FEW:
            self._shown = left
        return self._shown


def time_left(
    stages: Sequence[StageProgress],
    steps: int,
    to_come: float,
    recent: tuple[float, float] | None,
    hoped: Expected | None,
) -> float | None:
    """The seconds for that many `steps` of the last stage and for the unfrozen epochs `to_come`, None if not known.

    `recent` are steps of the last stage and the seconds that they took.
    """
    if not stages:
        return hoped.seconds if hoped else None
    now = stages[-1]
    at_last = (recent[0] * now.work / max(1, now.steps), recent[1]) if recent and now.work else (0.0, 0.0)
    unfrozen = now.name == "unfrozen"
    before = [stage for stage in stages if stage.name != "unfrozen"]
    frozen = _epoch(before, (0.0, 0.0) if unfrozen else at_last, hoped.frozen if hoped else 0.0)
    guess = hoped.unfrozen if hoped else frozen * UNFROZEN
    later = _epoch([stage for stage in stages if stage.name == "unfrozen"], at_last if unfrozen else (0.0, 0.0), guess)
    own, each = steps * now.work / max(1, now.steps), later if unfrozen else frozen
    if (own and not each) or (to_come and not later):
        return None
    return own * each + to_come * later


def _epoch(stages: Sequence[StageProgress], recent: tuple[float, float], guess: float) -> float:
    """The seconds of an epoch over the photos in these stages, 0 if not known; a `guess` counts less with each one."""
    ended = [epoch.seconds for stage in stages for epoch in stage.ended]
    work, seconds = recent
    if ended and any(stage.name == "features" for stage in stages):  # the first epoch of the head has all of their time
        work, seconds = float(sum(stage.work for stage in stages)), sum(ended)
    elif ended:
        work, seconds = float(len(ended[-RECENT:])), sum(ended[-RECENT:])
    weight = WEIGHT / (1 + len(ended))
    if guess:
        return (weight * guess + seconds) / (weight + work)
    return seconds / work if work and (ended or seconds >= ENOUGH) else 0.0
