"""The time left that a page shows: calm, and true to what the run was expected to take until it has been measured."""

from __future__ import annotations

from core.events import EpochEnded
from plugins.panels.kit.project.expected import Expected
from plugins.panels.kit.project.run_view import StageProgress
from plugins.panels.kit.project.time_left import Countdown, time_left

HOPED = Expected(seconds=120.0, frozen=4.0, unfrozen=10.0)


def stage(name: str, epochs: int, work: int, done: int, *seconds: float) -> StageProgress:
    """A stage of ten steps an epoch, with the seconds of the epochs that have ended."""
    ended = [EpochEnded(i, 1.0, 1.0, {}, each) for i, each in enumerate(seconds)]
    steps = 10 * (epochs or work)
    return StageProgress(name, epochs, steps, work, done, ended, steps)


def test_before_anything_is_measured_it_is_what_was_expected() -> None:
    assert time_left([], 0, 0, None, HOPED) == 120.0
    assert time_left([], 0, 0, None, None) is None
    assert time_left([stage("features", 0, 5, 0)], 50, 10, None, HOPED) == 5 * 4 + 10 * 10


def test_it_is_known_between_the_stages_and_not_thrown_by_their_first_steps() -> None:
    features = stage("features", 0, 5, 50)
    head = stage("frozen", 5, 0, 50, 20.0, 0.0, 0.0, 0.0, 0.0)
    between = time_left([features, head], 0, 10, None, HOPED)
    assert between == 10 * 10.0
    begun = stage("unfrozen", 10, 10, 2)
    slow_first_steps = time_left([features, head, begun], 98, 0, (2.0, 6.0), HOPED)
    assert slow_first_steps and slow_first_steps < 1.6 * between, "which extrapolated would be three times as long"
    ended = stage("unfrozen", 10, 10, 50, 20.0, 20.0, 20.0, 20.0, 20.0)
    measured = time_left([features, head, ended], 50, 0, None, HOPED)
    assert measured and 95 < measured <= 100, "what was expected hardly counts any more"


def test_a_countdown_rises_only_where_it_was_clearly_too_low() -> None:
    shown = Countdown()
    assert [shown.to(left) for left in (60, 50, 58, 40, 44, 70)] == [60, 50, 50, 40, 40, 70]
