"""From a trained run to the Hub and back: the same files, the same answers, and nothing that is not to be shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import SpaceCard

from core.__main__ import main
from core.errors import BadInput
from core.events import drain
from core.lock import ProcessLock
from core.model.folder import load_model
from core.publish.fetch import fetch, load_learner, model_folder
from core.publish.hub import Hub as Client
from core.publish.options import PushOptions
from core.publish.page_rehearsal import PageRehearsal
from core.publish.push import Pushed, push
from core.runs.predictions import predictions_of
from core.runs.run import Run
from tests.core.publish.chromium import fetched_runtime
from tests.hub.fixtures import environment
from tests.hub.state import File

REPO = "anna/my-pets"
HERE = Path(sys.executable)  # in place of a new environment, which takes half a minute
PUBLISHED = {"model.safetensors", "config.json", "classes.json", "hashes.json", "recipe.json", "README.md"}


def ended(steps: Generator[str, None, Pushed]) -> tuple[list[str], Pushed]:
    """What was said, and what came of it."""
    said: list[str] = []
    return said, drain(steps, said.append)


def test_there_and_back(signed_in: Any, trained: Run, photos: Path) -> None:
    _, done = ended(push(trained, REPO, PushOptions("mit", space="none"), Client()))
    assert done == Pushed(f"{signed_in.url}/{REPO}")
    files = signed_in.repos["model", REPO].files
    assert set(files) >= PUBLISHED and not any(name.endswith((".bin", ".pth", ".pkl")) for name in files)
    folder = fetch(REPO)
    for name in ("model.safetensors", "config.json", "classes.json", "hashes.json"):
        assert (folder / name).read_bytes() == files[name] == (trained.folder / name).read_bytes()
    ours, theirs = load_model(trained.folder), load_learner(REPO)
    for photo in sorted(photos.iterdir()):
        torch.testing.assert_close(theirs.predict(photo)[2], ours.predict(photo)[2], atol=1e-5, rtol=0)
    assert b"license: mit" in files["README.md"] and f'load_learner("{REPO}")'.encode() in files["README.md"]


def test_without_the_hub_the_last_one_seen_is_used(signed_in: Any, trained: Run, monkeypatch: Any) -> None:
    ended(push(trained, REPO, PushOptions(space="none"), Client()))
    before = fetch(REPO)
    signed_in.fail("info", "drop", 100)
    assert fetch(REPO) == before == model_folder(REPO)
    with pytest.raises(BadInput, match="cannot be reached"):
        fetch("anna/never-seen")
    signed_in.forgive()
    with pytest.raises(BadInput, match="no such repository"):
        fetch("anna/never-seen")


def test_half_of_a_cache_is_no_model(signed_in: Any, trained: Run) -> None:
    for _ in range(2):  # the second time it looks at the config that is there, which the client keeps
        ended(push(trained, REPO, PushOptions(space="none"), Client()))
    signed_in.fail("info", "drop", 100)
    with pytest.raises(BadInput, match="cannot be reached"):
        fetch(REPO)


def test_a_refusal_is_no_reason_to_use_what_was_seen(signed_in: Any, trained: Run, monkeypatch: Any) -> None:
    ended(push(trained, REPO, PushOptions(space="none"), Client()))
    fetch(REPO)
    signed_in.repos["model", REPO].private = True
    monkeypatch.setenv("HF_TOKEN", signed_in.other_token)
    with pytest.raises(BadInput, match="no such repository"):
        fetch(REPO)


def test_a_strangers_json_is_small(signed_in: Any, trained: Run) -> None:
    ended(push(trained, REPO, PushOptions(space="none"), Client()))
    repo = signed_in.repos["model", REPO]
    repo.commit("by hand", repo.tree | {"hashes.json": File(b" " * 11_000_000, lfs=True)})
    with pytest.raises(BadInput, match=r"hashes\.json of 'anna/my-pets' is larger than 10 MB"):
        fetch(REPO)


def test_a_license_the_hub_does_not_know_leaves_nothing_behind(signed_in: Any, mine: Run) -> None:
    signed_in.fail("validate", 400, json={"errors": [{"message": "license must be one of"}]})
    with pytest.raises(BadInput, match="license must be one of"):
        ended(push(mine, REPO, PushOptions("nonsense", space="zero-gpu"), Client(), HERE))
    assert not signed_in.repos


def test_a_space_that_is_refused_leaves_no_model_behind(signed_in: Any, mine: Run) -> None:
    steps = push(mine, "paul/pets", PushOptions(space="cpu-basic"), Client(signed_in.poor_token), HERE)
    with pytest.raises(BadInput, match="paid plan"):
        ended(steps)
    assert not signed_in.repos


@pytest.mark.slow
def test_a_photo_that_cannot_be_read_any_more_is_no_reason_to_stop(
    signed_in: Any, mine: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    results = predictions_of(mine)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no photo")
    results.items[0] = broken
    monkeypatch.setattr("core.publish.sample.predictions_of", lambda run: results)
    _, done = ended(push(mine, REPO, PushOptions(space="zero-gpu"), Client(), HERE))
    assert done.space and done.rehearsal


def test_what_cannot_be_pushed_says_why(signed_in: Any, mine: Run, tmp_path: Path) -> None:
    def refused(run: Run) -> str:
        with pytest.raises(BadInput) as caught:
            ended(push(run, REPO, PushOptions(space="none"), Client()))
        assert not signed_in.calls
        return str(caught.value)

    lock = ProcessLock(mine.folder / "lock")
    assert lock.take()
    lock.announce()
    assert "wait until it ends, or stop it" in refused(mine)
    lock.release()
    (mine.folder / "recipe.json").unlink()
    assert "give the run that it came from" in refused(mine)
    (mine.folder / "hashes.json").unlink()
    assert "has no model yet" in refused(mine)
    test = Run(tmp_path / "lr_finds" / "test")
    assert "run of the LR finder, which has no model" in refused(test)


def test_what_is_downloaded_is_little_and_ours(signed_in: Any, trained: Run, monkeypatch: Any) -> None:
    from core.publish import fetch as module

    ended(push(trained, REPO, PushOptions(space="none"), Client()))
    repo = signed_in.repos["model", REPO]
    evil = {"pytorch_model.bin": b"\x80\x04", "setup.py": b"raise SystemExit"}
    repo.commit("by hand", repo.tree | {name: next(iter(repo.tree.values())) for name in evil})
    assert {file.name for file in fetch(REPO).iterdir()} == set(module.FILES)
    monkeypatch.setattr(module, "MAX_MODEL_BYTES", 1000)
    with pytest.raises(BadInput, match=r"GB, more than the"):
        fetch(REPO)
    Client().api.create_repo("anna/empty")
    with pytest.raises(BadInput, match=r"is not a model of this program: it has no model\.safetensors"):
        fetch("anna/empty")


def test_a_space_is_rehearsed_and_answers_the_same(signed_in: Any, mine: Run, photos: Path, tmp_path: Path) -> None:
    """And neither a token nor a path nor a photo's name leaves this machine."""
    said, done = ended(
        push(mine, REPO, PushOptions("mit", space="cpu-basic", examples=True), Client(signed_in.token), HERE)
    )
    assert done.space == f"{signed_in.url}/spaces/{REPO}" and done.rehearsal
    assert done.rehearsal.largest_difference < 1e-4 and any(line.startswith("Rehearsed: ") for line in said)
    space = signed_in.repos["space", REPO]
    assert set(space.files) >= {
        "app.py",
        "core/data/photo.py",
        "core/data/upright.py",
        "model.onnx",
        "config.json",
        "requirements.txt",
        "examples/1.jpg",
    }
    assert "torch" not in space.files["requirements.txt"].decode()
    assert signed_in.repos["model", REPO].files["model.onnx"] == space.files["model.onnx"]
    sent = signed_in.sent()
    names = [item.name for item in predictions_of(mine).items]
    for secret in map(str, (signed_in.token, tmp_path, photos, Path.home(), *names)):
        assert secret.encode() not in sent, secret
    for file in mine.workspace.rglob("*"):
        assert not file.is_file() or signed_in.token.encode() not in file.read_bytes(), file


def test_a_static_space_is_free_and_was_tried_in_a_browser(signed_in: Any, mine: Run) -> None:
    runtime = fetched_runtime()
    _, done = ended(push(mine, "paul/pets", PushOptions("mit"), Client(signed_in.poor_token)))
    assert isinstance(done.rehearsal, PageRehearsal) and done.rehearsal.largest_difference < 1e-4
    space = signed_in.repos["space", "paul/pets"]
    said = SpaceCard(space.files["README.md"].decode()).data.to_dict()
    assert (space.sdk, said["sdk"], said["app_file"], said["license"]) == ("static", "static", "index.html", "mit")
    assert space.files["runtime/ort.wasm"] == runtime["ort.wasm"] and b"pets" in space.files["page.json"]
    assert space.files["model.onnx"] == signed_in.repos["model", "paul/pets"].files["model.onnx"]
    ended(push(mine, "paul/pets", PushOptions("mit", untried=True), Client(signed_in.poor_token)))
    assert len(space.commits) == 2, "nothing has changed"


def test_the_terms_of_the_pretrained_weights_are_kept(signed_in: Any, mine: Run) -> None:
    recipe = json.loads((mine.folder / "recipe.json").read_text(encoding="utf-8"))
    recipe["architecture"] = {"name": "timm", "model": "convnextv2_atto.fcmae_ft_in1k"}
    (mine.folder / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
    with pytest.raises(BadInput, match=r"are under cc-by-nc-4\.0, which mit may not replace; give --license cc-by-nc"):
        ended(push(mine, REPO, PushOptions("mit", space="none"), Client()))
    assert not signed_in.repos
    said, _ = ended(push(mine, REPO, PushOptions("cc-by-nc-4.0", space="none"), Client()))
    assert any("read its terms" in line for line in said)


def test_nothing_is_pushed_that_fails_here(signed_in: Any, mine: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.publish import space

    broken = mine.folder / "app.py.txt"
    broken.write_bytes(b"raise SystemExit('no room for it')\n" + space.APP.read_bytes())
    monkeypatch.setattr(space, "APP", broken)
    steps = push(mine, REPO, PushOptions(space="zero-gpu"), Client(), HERE)
    with pytest.raises(BadInput, match="no room for it"):
        ended(steps)
    assert not signed_in.repos


def test_the_commands(
    signed_in: Any, mine: Run, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {**os.environ, **environment(signed_in, tmp_path / "home")}
    push = [sys.executable, "-m", "core", "push", mine.folder, REPO, "--license", "cc0-1.0"]
    push += ["--private", "--space", "none"]
    done = subprocess.run(push, env=known, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0 and signed_in.token not in done.stdout + done.stderr, done.stderr
    assert done.stdout.splitlines()[-1] == f"model: {signed_in.url}/{REPO}"
    assert signed_in.repos["model", REPO].private
    photo = sorted(photos.iterdir())[0]
    assert main(["predict", REPO, str(photo)]) == 0
    (answer,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert answer["label"] == load_model(mine.folder).predict(photo)[0]


def test_bad_names_are_a_sentence(signed_in: Any, trained: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["push", str(trained.folder), "pets"]) == 2
    assert "it looks like OWNER/NAME" in capsys.readouterr().err
    assert main(["predict", "anna/never-seen", "x.jpg"]) == 2
    assert "no such repository" in capsys.readouterr().err
