"""Two runs on the photos that both have: a sentence that is right about chance, and about what cannot be compared."""

from __future__ import annotations

import json
import shutil
from math import comb
from pathlib import Path

import pytest
import torch

from core.__main__ import main
from core.insight.compare import compare
from core.runs.compare import compare_runs
from core.runs.predictions import keep_predictions, predictions_of
from core.runs.run import Run
from core.training.metrics import mcnemar

Photos = dict[str, str]


@pytest.mark.parametrize(("a", "b"), [(0, 0), (1, 0), (5, 5), (9, 1), (2, 12), (40, 60)])
def test_the_p_value_is_the_binomial_one(a: int, b: int) -> None:
    n = a + b
    tail = sum(comb(n, k) for k in range(min(a, b) + 1)) / 2**n
    assert mcnemar(a, b) == pytest.approx(min(1.0, 2 * tail)) == pytest.approx(mcnemar(b, a))
    assert mcnemar(3000, 2500) < 1e-10, "where the coefficients are too large for a float"


def photos(right: range, of: int = 100) -> Photos:
    return {str(i): "cat" if i in right else "dog" for i in range(of)}


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [(range(100), range(80), "better"), (range(80), range(100), "worse"), (range(80), range(10, 92), "do not differ"),
     (range(50), range(50), "do not differ")],
)  # fmt: skip
def test_better_worse_or_neither(first: range, second: range, verdict: str) -> None:
    found = compare(photos(first), photos(second), photos(range(100)))
    assert found.verdict == verdict and verdict in found.sentence("new", "old")
    assert (found.first_accuracy, found.second_accuracy) == (len(first) / 100, len(second) / 100)


def test_only_what_both_have_is_compared_and_it_is_said() -> None:
    found = compare(photos(range(100)), photos(range(70), of=80), photos(range(100)))
    assert (found.photos, found.only_first, found.only_second) == (80, 20, 0)
    assert "20 and 0 other validation photos" in found.sentence("new", "old")
    few = compare(photos(range(9), of=9), photos(range(9)), photos(range(100)))
    assert few.verdict == "not comparable" and "9 validation photos in common" in few.sentence("new", "old")
    assert "4 times as many photos" in few.sentence("new", "old"), "of which 30 are needed"
    apart = compare(
        {"a": "x"} | photos(range(40), of=40), {f"other {n}": "x" for n in range(50)} | {"a": "x"}, {"a": "x"}
    )
    assert "split alike" in apart.sentence("new", "old") and "times" not in apart.sentence("new", "old")
    none = compare(photos(range(9), of=9), {"other": "x"}, photos(range(9)))
    assert "different photos" in none.sentence("new", "old") and "times" not in none.sentence("new", "old")


def test_a_run_against_another_by_content(
    trained: Run, workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Run(Path(shutil.copytree(trained.folder, tmp_path / "w" / "runs" / "other")))
    known = json.loads(other.read("photos.json"))
    names = json.loads(other.read("splits.json"))["valid"]
    moved = {f"elsewhere/{name}" if name == names[0] else name: value for name, value in known.items()}
    other.write("photos.json", json.dumps(moved))
    other.write("splits.json", json.dumps({"train": [], "valid": [f"elsewhere/{names[0]}", *names[1:]]}))
    results = predictions_of(other)
    root = next(p for p in results.items[0].parents if (p / names[0]).exists())
    results.items[0] = root / "elsewhere" / names[0]
    results.logits = torch.nn.functional.one_hot((results.targets + 1) % 3, 3).float()  # all wrong
    keep_predictions(other, results, root)
    found = compare_runs(trained, other)
    right = round(predictions_of(trained).accuracy * 4)
    assert (found.photos, found.first_alone, found.second_alone, found.verdict) == (4, right, 0, "not comparable")
    assert found.relabelled == 0
    results.targets[1] = (results.targets[1] + 1) % 3  # as a person may have said meanwhile
    keep_predictions(other, results, root)
    relabelled = compare_runs(trained, other)
    assert relabelled.relabelled == 1 and "1 of the common ones had another label" in relabelled.sentence("new", "old")
    command = ["evaluate", "--workspace", str(workspace), str(trained.folder), "--against", str(other.folder)]
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["photos"] == 4
    assert main([*command, "--source", "x"]) == 2
