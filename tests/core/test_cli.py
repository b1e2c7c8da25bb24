"""python -m core: what each command prints, and one sentence and exit code 2 for whatever cannot be used."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from core.__main__ import main
from core.runs.run import Run

ROOT = Path(__file__).resolve().parents[2]
MakeRecipe = Callable[..., dict[str, Any]]
Capture = pytest.CaptureFixture[str]
TINY = {"name": "timm", "model": "test_resnet", "pretrained": False}


@pytest.fixture
def recipe(recipe_dict: MakeRecipe, tmp_path: Path) -> Callable[..., str]:
    """Writes the quick recipe, with changes, and returns its path."""

    def write(**changes: Any) -> str:
        path = tmp_path / "recipe.json"
        path.write_text(json.dumps(recipe_dict(**{"architecture": TINY, **changes})))
        return str(path)

    return write


@pytest.fixture
def fails(capsys: Capture, tmp_path: Path) -> Callable[..., str]:
    """Runs a command that must end with code 2 and one line of error; returns that line."""

    def run(*arguments: str) -> str:
        capsys.readouterr()
        assert main([*arguments, "--workspace", str(tmp_path / "w")]) == 2
        out, err = capsys.readouterr()
        error = without_bars(err)
        assert error.startswith("error: ") and error.count("\n") == 0, err
        assert "Traceback" not in out + err
        return error

    return run


def without_bars(text: str) -> str:
    """What stays on a terminal when the bars that draw over themselves have gone."""
    lines = (line.rpartition("\r")[2].strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def new(photos: Path, capsys: Capture, *more: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["new", str(photos), *more]) == 0
    out, err = capsys.readouterr()
    source, labeller, *_ = err.splitlines()
    assert source.startswith("photos from the folder ") and labeller.startswith("labels from "), "the reasons"
    assert "for validation" in err
    document: dict[str, Any] = json.loads(out)
    return document


def test_new_writes_a_recipe_and_says_why_beside_it(photos: Path, capsys: Capture) -> None:
    document = new(photos, capsys)
    assert document["version"] == 3
    assert document["labeller"]["name"] == "regex"
    assert document["source"] == {"name": "folder", "path": str(photos)}
    assert document["splitter"] == {"name": "stratified", "valid_pct": 0.2, "seed": 42}
    assert document["architecture"]["name"] == "efficientnet_lite0"


def test_new_takes_settings(photos: Path, capsys: Capture) -> None:
    more = ("--set", "training.epochs=7", "--set", "architecture.head=concat", "--set", "item_tfms.0.size=[100, 80]")
    document = new(photos, capsys, *more)
    assert document["training"]["epochs"] == 7
    assert document["architecture"]["head"] == "concat"
    assert document["item_tfms"][0]["size"] == [100, 80]


def test_new_without_photos_is_the_sample(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("plugins.sources.sample.THINGS", sys.modules["plugins.sources.sample"].THINGS[:2])
    assert main(["new"]) == 0
    assert json.loads(capsys.readouterr().out)["source"]["name"] == "sample"


def test_check_says_what_was_found(recipe: Callable[..., str], capsys: Capture, tmp_path: Path) -> None:
    assert main(["check", recipe(), "--workspace", str(tmp_path / "w")]) == 0
    out = capsys.readouterr().out
    assert out.startswith("24 photos, 3 classes: 20 for training, 4 for validation")
    assert re.search(r"^  blue +8$", out, re.M)
    assert "warning: fewer than 10 photos of" in out


def test_check_lists_what_cannot_be_used(
    photos: Path, recipe: Callable[..., str], capsys: Capture, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(photos, tmp_path / "photos"))
    (folder / "red_99.jpg").write_bytes(b"no photo")
    (folder / "nameless.png").write_bytes(b"")
    source = {"name": "folder", "path": str(folder)}
    assert main(["check", recipe(source=source), "--workspace", str(tmp_path / "w")]) == 0
    out = capsys.readouterr().out
    assert "2 files are left out" in out
    assert re.search(r"red_99\.jpg: \w+", out) and re.search(r"nameless\.png: .*does not match", out)


@pytest.fixture(scope="module")
def by_command(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """new, train and predict, one after the other."""
    folder = tmp_path_factory.mktemp("by command")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            code = main([*arguments, "--workspace", str(folder / "w")])
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    small = ["item_tfms.0.size=40", "batch_tfms.0.size=32", "training.epochs=1", "training.freeze_epochs=1"]
    made = run("new", str(photos), *(f"--set={setting}" for setting in small))
    (folder / "recipe.json").write_text(made.stdout)
    trained = run("train", str(folder / "recipe.json"), "--set", "training.epochs=2")
    (path,) = (folder / "w" / "runs").iterdir()
    files = [str(photos / "red_1.jpg"), str(photos / "blue_2.jpg")]
    return {"new": made, "train": trained, "run": path, "predict": run("predict", path.name, *files), "files": files}


def test_train_prints_a_row_an_epoch(by_command: dict[str, Any]) -> None:
    done = by_command["train"]
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    header = next(i for i, line in enumerate(lines) if line.startswith("epoch"))
    assert lines[header].split() == ["epoch", "train_loss", "valid_loss", "error_rate", "time"]
    rows = [line.split() for line in lines[header + 1 :] if re.match(r"\d", line)]
    assert [row[0] for row in rows] == ["0", "0", "1"]
    assert all(re.fullmatch(r"\d+ \d+\.\d{6} \d+\.\d{6} \d\.\d{6} \d\d:\d\d", " ".join(row)) for row in rows)
    assert "Traceback" not in done.stderr


def test_train_ends_with_accuracy_and_folder(by_command: dict[str, Any]) -> None:
    *_, accuracy, use, run = by_command["train"].stdout.splitlines()
    assert re.fullmatch(r"accuracy \d\.\d{4} on validation, 95 % interval \d\.\d{4} to \d\.\d{4}", accuracy)
    assert run == f"run: {by_command['run']}"
    assert use == f"to use the model: python -m core predict {by_command['run']} photo.jpg"
    assert (by_command["run"] / "model.safetensors").is_file()


def test_predict_prints_a_line_of_json_each(by_command: dict[str, Any]) -> None:
    done = by_command["predict"]
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["file"] for line in lines] == by_command["files"]
    for line in lines:
        assert set(line["probabilities"]) == {"blue", "green", "red"}
        assert sum(line["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert line["probability"] == max(line["probabilities"].values()) == line["probabilities"][line["label"]]


def test_a_real_process_fails_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "core", "new", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: No photos") and done.stderr.count("\n") == 1


def test_lr_find_prints_rates_or_the_reason(recipe: Callable[..., str], capsys: Capture, tmp_path: Path) -> None:
    assert main(["lr-find", recipe(), "--workspace", str(tmp_path / "w")]) == 0
    out = capsys.readouterr().out
    found = dict(re.findall(r"^(valley|steep|minimum) +(\S+)$", out, re.M))
    assert list(found) == ["valley", "steep", "minimum"]
    assert "No suggestion" in out if "none" in found.values() else all(float(rate) > 0 for rate in found.values())
    (curve,) = (tmp_path / "w" / "lr_finds").glob("*/curve.png")
    assert str(curve) in out
    assert not (tmp_path / "w" / "runs").exists()


def test_evaluate_as_json(trained: Run, workspace: Path, photos: Path, capsys: Capture) -> None:
    name = trained.folder.name
    assert main(["evaluate", name, "--source", str(photos), "--json", "--workspace", str(workspace)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert {"accuracy", "interval", "per_class", "n"} <= result.keys()
    assert result["n"] == 24 and [row["class"] for row in result["per_class"]] == ["blue", "green", "red"]
    low, high = result["interval"]
    assert 0 <= low <= result["accuracy"] <= high <= 1


def test_evaluate_as_a_table(trained: Run, workspace: Path, capsys: Capture) -> None:
    assert main(["evaluate", str(trained.folder), "--workspace", str(workspace)]) == 0
    out = capsys.readouterr().out
    assert re.match(r"accuracy \d\.\d{4} on 4 photos, 95 % interval", out)
    assert len(out.splitlines()) == 4


def test_predict_says_which_photo_is_broken_and_goes_on(
    trained: Run, workspace: Path, photos: Path, capsys: Capture, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.jpg"
    cut.write_bytes((photos / "red_1.jpg").read_bytes()[:300])
    files = [str(cut), str(photos / "red_1.jpg"), str(tmp_path / "none.jpg")]
    assert main(["predict", trained.folder.name, *files, "--workspace", str(workspace)]) == 2
    out, err = capsys.readouterr()
    first, second, third = map(json.loads, out.splitlines())
    assert first.keys() == third.keys() == {"file", "error"} and first["error"] and third["error"]
    assert "label" in second
    assert err == "error: 2 of 3 files could not be read as photos.\n"


def predicted(trained: Run, capsys: Capture, *images: str) -> list[str]:
    assert main(["predict", str(trained.folder), *images]) == 0
    out, err = capsys.readouterr()
    assert not err
    return [json.loads(line)["file"] for line in out.splitlines()]


def test_predict_takes_folders_and_patterns(
    trained: Run, photos: Path, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("b.jpg", "deep/down/a.jpg", "deep/[1] c.jpg", "d.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photos / "red_1.jpg", tmp_path / name)
    (tmp_path / "labels.csv").write_text("no photo")
    (tmp_path / "nothing").mkdir()
    monkeypatch.chdir(tmp_path)
    names = ["b.jpg", "d.png", "deep/[1] c.jpg", "deep/down/a.jpg"]
    assert predicted(trained, capsys, str(tmp_path)) == [str(tmp_path / name) for name in names]
    assert predicted(trained, capsys, "*.jpg") == ["b.jpg"]
    assert predicted(trained, capsys, "**/*.jpg") == ["b.jpg", "deep/[1] c.jpg", "deep/down/a.jpg"]
    assert predicted(trained, capsys, "d*", "b.jpg") == ["d.png", "deep/[1] c.jpg", "deep/down/a.jpg", "b.jpg"]
    assert predicted(trained, capsys, "deep/[1] c.jpg") == ["deep/[1] c.jpg"], "a file may have such a name"


@pytest.mark.parametrize("images", [["*.jpg"], ["nothing"], ["noth*"], ["[ab].png"], ["x" * 5000 + "*"]])
def test_predict_on_nothing(
    images: list[str], trained: Run, fails: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nothing").mkdir()
    monkeypatch.chdir(tmp_path)
    said = fails("predict", str(trained.folder), *images)
    assert "no photos" in said and "give photos" in said and len(said) < 400


def test_evaluate_says_how_many_were_trained_on(trained: Run, workspace: Path, photos: Path, capsys: Capture) -> None:
    command = ["evaluate", str(trained.folder), "--source", str(photos), "--workspace", str(workspace)]
    assert main(command) == 0
    n = len(json.loads((trained.folder / "splits.json").read_text())["train"])
    assert f"{n} of these were training photos" in capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trained_on"] == n


def test_plugins_lists_every_kind_with_its_options(capsys: Capture) -> None:
    assert main(["plugins"]) == 0
    out = capsys.readouterr().out
    assert "none yet" not in out
    for kind in ("sources", "labellers", "splitters", "transforms", "architectures", "exporters"):
        assert re.search(rf"^{kind}$", out, re.M)
    assert re.search(r"^  regex +\S.*\[plugins\.labellers\.regex\]$", out, re.M)
    assert re.search(r'^      head: linear \| concat, default "linear"\. \S', out, re.M)
    assert re.search(r"^      path: text, required", out, re.M)
    assert "not loaded" not in out


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("new", ["photos", "--set", "training.epochs=3", "base_lr", "--workspace"]),
        ("check", ["recipe", "--set", "bad_photos", "--workspace"]),
        ("lr-find", ["recipe", "--set", "--no-queue", "--workspace"]),
        ("train", ["recipe", "--set", "epochs", "freeze_epochs", "training.loss.NAME", "train_bn", "--workspace"]),
        ("train", ["best_by", "patience", "--no-queue", "not started"]),
        ("resume", ["run", "--accept-changes", "--no-queue", "--workspace"]),
        ("stop", ["run", "--finish", "--workspace"]),
        ("follow", ["run", "--workspace"]),
        ("runs", ["--workspace"]),
        ("delete", ["run", "--workspace"]),
        ("evaluate", ["run", "--source", "--labeller", "--json", "--workspace"]),
        ("predict", ["run", "IMAGE", "--workspace"]),
        ("plugins", ["--workspace"]),
    ],
)
def test_help_names_the_arguments(command: str, named: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as done:
        main([command, "--help"])
    assert done.value.code == 0
    out = capsys.readouterr().out
    assert f"python -m core {command}" in out
    assert all(word in out for word in named)


def test_help_lists_the_commands(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    known = ("new", "check", "lr-find", "train", "resume", "stop", "follow", "runs", "delete", "evaluate", "predict")
    assert all(re.search(rf"^ +{name} +\S", out, re.M) for name in (*known, "plugins"))


@pytest.mark.parametrize("arguments", [[], ["fly"], ["train"], ["predict", "run"]])
def test_wrong_arguments_are_code_two(arguments: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as done:
        main(arguments)
    assert done.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_photos_without_labels_are_to_be_labelled_by_hand(
    draw_photos: Callable[..., Path], tmp_path: Path, capsys: Capture
) -> None:
    two = draw_photos(tmp_path / "two", count=1, colours=("red", "blue"))
    assert main(["new", "--workspace", str(tmp_path / "w"), str(two)]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["labeller"] == {"name": "by_hand"}
    assert "label them by hand: No labels were found for the 2 photos" in err


def test_new_refuses_what_holds_no_data_set(fails: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "No photos were found" in fails("new", str(tmp_path / "empty"))
    assert "no folder" in fails("new", str(tmp_path / "missing"))
    (tmp_path / "photos.zip").write_bytes(b"no zip")
    assert "photos.zip" in fails("new", str(tmp_path / "photos.zip"))


@pytest.mark.parametrize("command", ["check", "train", "lr-find"])
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"source": {"name": "folder", "path": "/no/such/folder"}}, "'/no/such/folder'"),
        ({"labeller": {"name": "regex", "pattern": r".+_\d+\.jpg$"}}, "has no group"),
        ({"labeller": {"name": "regex", "pattern": r".+(jpg)$"}}, "only one class, 'jpg'"),
        ({"labeller": {"name": "rgx"}}, "no 'rgx' among the labellers; there are: "),
        ({"architecture": {"name": "resnet_34"}}, "no 'resnet_34' among the architectures"),
        ({"labeller": {"name": "regex", "patern": "(.)"}}, "no option 'patern'"),
        ({"colour": "red"}, "no key 'colour'"),
        ({"training": {"epoch": 3}}, "no option 'epoch'"),
        ({"training": {"epochs": "three"}}, "epochs is 'three', but must be a whole number"),
        ({"training": {"epochs": 2.5}}, "epochs is 2.5"),
        ({"training": {"base_lr": -1}}, "base_lr is -1"),
        ({"item_tfms": {"name": "resize"}}, "item_tfms must be a list"),
        ({"version": 4}, "version 4"),
    ],
)
def test_a_recipe_that_cannot_be_used(
    command: str, changes: dict[str, Any], sentence: str, fails: Callable[..., str], recipe: Callable[..., str]
) -> None:
    assert sentence in fails(command, recipe(**changes))


def test_a_recipe_that_is_none(fails: Callable[..., str], tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    assert "cannot be read" in fails("train", str(broken))
    for text in ("{", "", "[]", "5", "\x00", '{"version": 1}'):
        broken.write_text(text)
        fails("train", str(broken))
    broken.write_bytes(b"\xff\xfe\x00")
    assert "not JSON" in fails("check", str(broken))
    assert "cannot be read" in fails("check", str(tmp_path))
    broken.write_bytes(b" " * (2**20 + 1))
    assert "holds over 1 MB" in fails("check", str(broken))


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such files")
def test_a_recipe_that_never_ends_or_never_comes(fails: Callable[..., str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    for path in ("/dev/zero", str(tmp_path / "pipe.json")):
        assert "is a device or a pipe; give a file, or let `python -m core new` write one" in fails("check", path)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("training.epochs", "PATH=VALUE"),
        ("training.epoch=3", "no option 'epoch'"),
        ("nothing.at.all=3", "this recipe has no 'nothing.at.all'"),
        ("item_tfms.7.size=3", "this recipe has no 'item_tfms.7.size'"),
        ("training.epochs=many", "epochs is 'many'"),
    ],
)
def test_a_setting_that_cannot_be_used(
    setting: str, sentence: str, fails: Callable[..., str], recipe: Callable[..., str]
) -> None:
    assert sentence in fails("train", recipe(), "--set", setting)


@pytest.mark.parametrize("pattern", [r"^(\w+\s?)*$", r"^((a|aa)+)+b$", r"(.*)*_(\d+)+x$"])
def test_an_exponential_expression_ends(
    pattern: str, recipe: Callable[..., str], photos: Path, tmp_path: Path, capsys: Capture
) -> None:
    """On a name that it would search for years; seconds are allowed."""
    folder = Path(shutil.copytree(photos, tmp_path / "photos"))
    shutil.copy(folder / "red_1.jpg", folder / f"{'a' * 60}!.jpg")
    source, labeller = {"name": "folder", "path": str(folder)}, {"name": "regex", "pattern": pattern}
    assert main(["train", recipe(source=source, labeller=labeller), "--workspace", str(tmp_path / "w")]) == 2
    error = without_bars(capsys.readouterr().err)
    assert error.startswith("error: ") and error.count("\n") == 0


def test_bad_photos_may_stop_the_run(
    photos: Path, recipe: Callable[..., str], fails: Callable[..., str], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(photos, tmp_path / "photos"))
    (folder / "red_99.jpg").write_bytes(b"no photo")
    made = recipe(source={"name": "folder", "path": str(folder)}, training={"bad_photos": "stop"})
    assert "red_99.jpg" in fails("train", made)


def test_a_run_that_is_not_there(fails: Callable[..., str], photos: Path) -> None:
    for command in ("evaluate", "resume", "stop", "follow", "delete"):
        assert "no run 'yesterday'" in fails(command, "yesterday")
    assert "no run 'yesterday'" in fails("predict", "yesterday", str(photos / "red_1.jpg"))


def test_a_run_without_weights(trained: Run, fails: Callable[..., str], photos: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(trained.folder, tmp_path / "run"))
    (copied / "model.safetensors").unlink()
    assert "model.safetensors" in fails("predict", str(copied), str(photos / "red_1.jpg"))
    (copied / "config.json").unlink()  # as a run that failed
    assert "is not a trained model" in fails("evaluate", str(copied))


def test_a_run_with_damaged_weights(trained: Run, fails: Callable[..., str], photos: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(trained.folder, tmp_path / "run"))
    weights = copied / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-100] ^= 1
    weights.write_bytes(data)
    assert "damaged" in fails("predict", str(copied), str(photos / "red_1.jpg"))


def test_a_model_folder_that_is_no_run_can_be_scored_on_a_source(
    trained: Run, photos: Path, tmp_path: Path, capsys: Capture
) -> None:
    """What `learn.save` or a download gives has no recipe; a source and a labeller are enough."""
    model = Path(shutil.copytree(trained.folder, tmp_path / "model"))
    for name in ("recipe.json", "splits.json", "events.jsonl"):
        (model / name).unlink()
    command = ["evaluate", str(model), "--workspace", str(tmp_path / "w")]
    assert main([*command, "--source", str(photos), "--labeller", "regex", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 24
    assert main(command) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert main([*command, "--source", str(photos)]) == 2
    assert capsys.readouterr().err.startswith("error: ")
