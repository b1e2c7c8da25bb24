"""`inspect`: planted wrong labels, copies and a stranger are found; what was extracted is not extracted again."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from core.__main__ import main
from core.data import photo
from core.data.content import digest
from core.data.journal import Journal
from core.insight import features
from core.registry import sources

COUNT = 16  # of each of five classes
Inspect = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn pictures in a folder a class: two have each other's labels, one is there twice, one mirrored."""
    folder = tmp_path_factory.mktemp("planted") / "drawn"
    for file in sources.create("sample", folder.parent, count=COUNT)():
        label = file.stem.rpartition("_")[0]
        (folder / label).mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder / label / file.name)
    (folder / "boat" / "boat_003.jpg").rename(folder / "fish" / "a_boat.jpg")
    (folder / "fish" / "fish_004.jpg").rename(folder / "house" / "a_fish.jpg")
    shutil.copy(folder / "house" / "house_005.jpg", folder / "boat" / "a_house.jpg")
    with Image.open(folder / "mushroom" / "mushroom_006.jpg") as image:
        ImageOps.mirror(image).save(folder / "mushroom" / "mirrored.jpg", quality=80)
    return folder


@pytest.fixture
def drawn(planted: Path, tmp_path: Path) -> Path:
    """A copy of them to be changed."""
    return Path(shutil.copytree(planted, tmp_path / "drawn"))


def inspected(photos: Path, workspace: Path, *arguments: str) -> Any:
    """What `inspect` says of photos: its JSON, or its text."""
    recipe = workspace.with_name("recipe.json")
    if not recipe.exists():
        recipe.write_text(said("new", "--workspace", str(workspace), str(photos)))
    sizes = ["--set", "item_tfms.0.size=160", "--set", "batch_tfms.0.size=128"]
    found = said("inspect", "--workspace", str(workspace), str(recipe), *sizes, *arguments)
    return json.loads(found) if "--json" in arguments else found


def said(*arguments: str) -> str:
    with redirect_stdout(io.StringIO()) as output:
        assert main([*arguments]) == 0
    return output.getvalue()


@pytest.fixture(scope="module")
def extracted(planted: Path) -> Path:
    """The features of their photos."""
    inspected(planted, planted.with_name("w"), "--json")
    return planted.with_name("w") / "features"


@pytest.fixture
def inspect(drawn: Path, extracted: Path, tmp_path: Path) -> Inspect:
    """Runs `inspect` on them in a workspace where their features are known; gives its JSON, or its text."""
    shutil.copytree(extracted, tmp_path / "w" / "features")
    return partial(inspected, drawn, tmp_path / "w")


def test_what_was_planted_is_found(inspect: Inspect, drawn: Path) -> None:
    before = {file: file.read_bytes() for file in drawn.rglob("*.jpg")}
    found = inspect("--json")
    assert {file: file.read_bytes() for file in drawn.rglob("*.jpg")} == before

    said = inspect()
    assert "fish/a_boat.jpg: fish, rather boat" in said
    assert "boat/a_house.jpg and house/house_005.jpg: same bytes, boat and house" in said

    first = found["suspects"]
    assert {s["photo"] for s in first[:2]} == {"boat/a_house.jpg", "house/house_005.jpg"}, "a contradiction comes first"
    assert {
        ("fish/a_boat.jpg", "fish", "boat"),
        ("house/a_fish.jpg", "house", "fish"),
    } <= {(s["photo"], s["label"], s["better"]) for s in first[2:6]}
    assert all(0 <= s["own"] <= 1 and 0 < s["score"] <= 1 for s in found["suspects"])

    twins = {frozenset(pair["photos"]): pair for pair in found["twins"] if pair["kind"] != "alike"}
    assert twins[frozenset({"boat/a_house.jpg", "house/house_005.jpg"})]["kind"] == "same bytes"
    mirrored = twins[frozenset({"mushroom/mirrored.jpg", "mushroom/mushroom_006.jpg"})]
    assert mirrored["kind"] == "copy" and mirrored["labels"] == ["mushroom", "mushroom"]
    assert set(mirrored["sets"]) <= {"training", "validation"}
    assert len(twins) == 2

    photos = [point["photos"] for point in found["curve"]]
    assert photos == sorted(photos) and all(p["low"] <= p["accuracy"] <= p["high"] for p in found["curve"])


def test_copies_of_validation_photos_are_left_out_of_training(inspect: Inspect, drawn: Path) -> None:
    for file in sorted((drawn / "fish").glob("fish_*.jpg")):
        shutil.copy(file, drawn / "fish" / f"copy_of_{file.name}")

    def leaked() -> int:
        sets = [set(pair["sets"]) for pair in inspect("--json")["twins"] if pair["kind"] != "alike"]
        return sets.count({"training", "validation"})

    assert leaked() > 0
    inspect("--leave-out-twins")
    assert leaked() == 0


def test_what_a_person_said_is_heard(inspect: Inspect, drawn: Path, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "w")
    boat, fish = (digest(drawn / name) for name in ("fish/a_boat.jpg", "house/a_fish.jpg"))
    journal.label([boat], "boat")
    journal.right([fish])
    journal.same(boat, fish)
    found = inspect("--json")
    suspects = [s["photo"] for s in found["suspects"]]
    assert "house/a_fish.jpg" not in suspects, "asked once"
    assert "fish/a_boat.jpg" in suspects[:3], "the same photo has another label"
    said = next(pair for pair in found["twins"] if set(pair["photos"]) == {"fish/a_boat.jpg", "house/a_fish.jpg"})
    assert said["kind"] == "copy" and set(said["labels"]) == {"boat", "house"}
    assert all(weak["recognised"] < weak["photos"] and weak["more"] > 0 for weak in found["weakest"])
    journal.leave_out([boat])
    assert "fish/a_boat.jpg" not in json.dumps(inspect("--json"))


def test_a_photo_of_another_world_is_a_stranger(inspect: Inspect, drawn: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)
    Image.fromarray(noise).save(drawn / "boat" / "noise.png")
    assert [stranger["photo"] for stranger in inspect("--json")["strangers"]][:1] == ["boat/noise.png"]


def test_each_photo_is_extracted_once(
    inspect: Inspect, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(tmp_path / "w" / "features")
    loaded: list[Path] = []
    load = photo.load
    monkeypatch.setattr(
        features.photo,
        "load",
        lambda file, **at: (loaded.append(file) if isinstance(file, Path) else None) or load(file, **at),
    )
    first = inspect("--json")
    assert len(loaded) == 5 * COUNT + 1, "one photo is there twice"

    loaded.clear()
    assert inspect("--json") == first and loaded == []
    (drawn / "boat" / "boat_007.jpg").rename(drawn / "boat" / "moved.jpg")
    inspect("--json")
    assert loaded == [], "it is known by its content"
    shutil.copy(drawn / "boat" / "boat_008.jpg", drawn / "boat" / "new.jpg")
    with (drawn / "boat" / "new.jpg").open("ab") as file:
        file.write(b"\0")
    inspect("--json")
    assert [file.name for file in loaded] == ["new.jpg"]


def test_a_damaged_file_of_features_is_extracted_again(inspect: Inspect, drawn: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "w" / "features")  # in other batches a feature differs by its last bits
    for file in drawn.glob("*/*_01*.jpg"):  # what is extracted twice is fewer
        file.unlink()
    first = inspect("--json")
    (kept,) = (tmp_path / "w" / "features").rglob("*.safetensors")
    kept.write_bytes(kept.read_bytes()[:1000])
    assert inspect("--json") == first


def test_a_network_with_random_weights_is_the_same_each_time(inspect: Inspect, drawn: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "w" / "features")
    for file in drawn.glob("*/*_01*.jpg"):
        file.unlink()
    random = ("--json", "--set", "architecture.pretrained=false")
    assert inspect(*random) == inspect(*random)
    assert len(list((tmp_path / "w" / "features").iterdir())) == 1
