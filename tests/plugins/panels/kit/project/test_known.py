"""The caches of projects: what is forgotten stays forgotten, and one project does not displace another's values."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

from plugins.panels.kit.project.known import FOLDERS, VALUES, Known

HERE, THERE = Path("here"), Path("there")


def test_a_value_is_made_once_by_several_threads() -> None:
    known: Known[list[int]] = Known()
    go, made = Event(), []

    def make() -> list[int]:
        go.wait(10)
        made.append(1)
        return made

    with ThreadPoolExecutor(4) as pool:
        values = [pool.submit(known.made, HERE, "a", make) for _ in range(4)]
        go.set()
        assert [value.result() for value in values] == [[1]] * 4
    assert made == [1] and known.get(HERE, "a") is made


def test_what_was_begun_before_it_was_forgotten_is_not_kept() -> None:
    known: Known[str] = Known()

    def make() -> str:
        known.forget(HERE)  # as photos are added while the old ones are still being listed
        return "old"

    assert known.made(HERE, "a", make) == "old" and known.get(HERE, "a") is None
    assert known.made(HERE, "a", lambda: "new") == "new" == known.get(HERE, "a")


def test_each_change_is_another_version() -> None:
    known: Known[str] = Known()
    versions = [known.version(HERE)]
    for change in (
        lambda: known.put(HERE, "a", "x"),
        lambda: known.forget(HERE),
        lambda: known.put(HERE, "a", "x"),  # an equal value, perhaps at the same address
    ):
        change()
        versions.append(known.version(HERE))
    assert len(set(versions)) == 4
    known.put(THERE, "a", "x")
    assert known.version(HERE) == versions[-1]


def test_limits_hold_for_each_folder_and_for_the_least_used() -> None:
    known: Known[int] = Known()
    known.put(HERE, "a", 1)
    for number in range(20):
        known.put(THERE, str(number), number)
    assert known.get(HERE, "a") == 1 and known.get(THERE, "16") is None
    assert [known.get(THERE, str(n)) for n in range(20 - VALUES, 20)] == list(range(20 - VALUES, 20))
    for number in range(FOLDERS - 1):
        known.put(Path(str(number)), "a", number)
        assert known.get(HERE, "a") == 1
    assert known.get(THERE, "19") is None
