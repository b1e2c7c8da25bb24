"""The check: everything that will not be used is listed with its reason, and nothing of the user's is touched."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from core.data import photo, reading
from core.data.block import loaders_of
from core.data.check import Examined, Report, examine
from core.data.files import get_image_files
from core.data.propose import proposal
from core.data.reading import contents_of, read_all
from core.errors import BadInput
from core.events import Checked, drain
from core.recipe import Recipe, Training
from core.registry import transforms


def recipe(folder: Path, bad_photos: str = "skip", **choices: Any) -> Recipe:
    document = {
        "version": 1,
        "source": {"name": "folder", "path": str(folder)},
        "labeller": {"name": "regex", "pattern": r"(.+)_\d+\.\w+$"},
        "splitter": {"name": "random", "seed": 42},
        "item_tfms": [{"name": "resize", "size": 40}],
        "batch_tfms": [],
        "architecture": {"name": "efficientnet_lite0"},
        "training": {"bad_photos": bad_photos},
    }
    return Recipe.from_dict(document | choices)


def run(recipe: Recipe, workspace: Path) -> tuple[Examined, list[Checked]]:
    """The result of the check, and its events."""
    return finished(examine(recipe, workspace))


def finished(walk: Generator[Checked, None, Examined]) -> tuple[Examined, list[Checked]]:
    events: list[Checked] = []
    return drain(walk, events.append), events


def report(folder: Path, tmp_path: Path, **options: Any) -> Report:
    return run(recipe(folder, **options), tmp_path / "workspace")[0].report


@pytest.fixture
def folder(tmp_path: Path, draw_photos: Callable[..., Path]) -> Path:
    """12 photos each of blue, green and red."""
    return draw_photos(tmp_path / "photos", 12)


def tree(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file under `folder` with its hash and time of change."""
    return {
        str(f.relative_to(folder)): (hashlib.sha256(f.read_bytes()).hexdigest(), f.stat().st_mtime_ns)
        for f in sorted(folder.rglob("*"))
        if f.is_file()
    }


def test_a_good_folder(folder: Path, tmp_path: Path) -> None:
    examined, events = run(recipe(folder), tmp_path / "workspace")
    found = examined.report
    assert found.counts == {"blue": 12, "green": 12, "red": 12} and (found.train, found.valid) == (29, 7)
    assert found.skipped == {} and found.warnings == []
    assert examined.root == folder and examined.split.vocab == ["blue", "green", "red"]
    whole = {f: hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.iterdir()}
    known = dict(zip(examined.split.items, examined.digests, strict=True))
    assert known == {f: digest[:24] for f, digest in whole.items()}
    assert [(e.done, e.total) for e in events] == [(0, 36), (36, 36)]
    assert found.lines()[0] == "36 photos, 3 classes: 29 for training, 7 for validation"


def test_names_without_a_label_unreadable_files_and_others_are_listed_with_reasons(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "IMG.jpg").write_bytes((folder / "red_1.jpg").read_bytes())
    (folder / "red_99.jpg").write_bytes((folder / "red_1.jpg").read_bytes()[:-300])
    (folder / "blue_98.png").write_bytes(b"")
    (folder / "notes.txt").write_text("x")
    found = report(folder, tmp_path)
    assert {Path(p).name for p in found.skipped} == {"IMG.jpg", "red_99.jpg", "blue_98.png", "notes.txt"}
    assert "does not match the regular expression" in found.skipped[str(folder / "IMG.jpg")]
    assert "runcated" in found.skipped[str(folder / "red_99.jpg")]
    assert found.skipped[str(folder / "blue_98.png")] == "not an image in a known format"
    assert "'.txt'" in found.skipped[str(folder / "notes.txt")]
    assert found.counts == {"blue": 12, "green": 12, "red": 12}
    text = "\n".join(found.lines())
    assert "4 files are left out:" in text and all(f"{p}: {r}" in text for p, r in found.skipped.items())


def test_stop_at_bad_photos(folder: Path, tmp_path: Path) -> None:
    assert report(folder, tmp_path, bad_photos="stop").skipped == {}
    (folder / "red_99.jpg").write_bytes(b"no photo")
    with pytest.raises(BadInput, match=r"1 files cannot be used, the first .*red_99\.jpg: not an image"):
        report(folder, tmp_path, bad_photos="stop")


def test_few_photos_of_a_class(folder: Path, tmp_path: Path, draw_photos: Callable[..., Path]) -> None:
    for file in list(folder.glob("red_*"))[3:]:
        file.unlink()
    (warning,) = [w for w in report(folder, tmp_path).warnings if "fewer" in w]
    assert warning == "fewer than 10 photos of 'red'; metrics of such classes mean little"


def test_labels_spelt_twice(folder: Path, tmp_path: Path) -> None:
    for i in range(1, 7):
        (folder / f"red_{i}.jpg").rename(folder / f"Red_{i}.jpg")
    assert "'Red' and 'red' look like spellings of one label" in report(folder, tmp_path).warnings


def test_stray_folders(folder: Path, tmp_path: Path) -> None:
    for stray in (".ipynb_checkpoints", "__MACOSX"):
        (folder / stray).mkdir()
        (folder / stray / "red_50.jpg").write_bytes((folder / "red_1.jpg").read_bytes())
    found = report(folder, tmp_path)
    assert found.counts["red"] == 12
    assert found.warnings == [
        f"the folder {str(folder / s)!r} was left out" for s in (".ipynb_checkpoints", "__MACOSX")
    ]


def test_what_the_splitter_leaves_out_and_classes_on_one_side(tmp_path: Path, draw_photos: Callable[..., Path]) -> None:
    for side, colours in (("train", ("blue", "red")), ("valid", ("red", "green")), ("test", ("red",)), ("x", ("red",))):
        draw_photos(tmp_path / "photos" / side, 1, colours=colours)
        for file in (tmp_path / "photos" / side).glob("*.jpg"):
            (file.parent / file.name.split("_")[0]).mkdir()
            file.rename(file.parent / file.name.split("_")[0] / "1.jpg")
    found = report(tmp_path / "photos", tmp_path, labeller={"name": "folder"}, splitter={"name": "grandparent"})
    assert (found.train, found.valid) == (2, 2)
    assert {Path(p).parent.parent.name for p in found.skipped} == {"test", "x"}
    assert set(found.skipped.values()) == {"the splitter put it in neither training nor validation"}
    assert any(w.startswith("no photo of 'green' is in training; ") for w in found.warnings)
    assert any(w.startswith("no photo of 'blue' is in validation; ") for w in found.warnings)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are decoded from now on."""
    names: list[str] = []
    real = reading._read

    def counting(file: Path, *rest: Any) -> Any:
        names.append(file.name)
        return real(file, *rest)

    monkeypatch.setattr(reading, "_read", counting)
    return names


def test_a_second_check_decodes_nothing_and_finds_the_same(folder: Path, tmp_path: Path, decoded: list[str]) -> None:
    (folder / "red_99.jpg").write_bytes(b"no photo")
    first = report(folder, tmp_path)
    assert sorted(decoded) == sorted(f.name for f in folder.iterdir()), "each once"
    decoded.clear()
    again, events = run(recipe(folder), tmp_path / "workspace")
    assert again.report == first and decoded == []
    assert [(e.done, e.total) for e in events] == [(37, 37)]


def test_a_changed_file_is_decoded_again(folder: Path, tmp_path: Path, decoded: list[str]) -> None:
    report(folder, tmp_path)
    decoded.clear()
    size = (folder / "red_1.jpg").stat().st_size
    (folder / "red_1.jpg").write_bytes(b"x" * size)  # of the same size
    (folder / "blue_99.jpg").write_bytes((folder / "blue_1.jpg").read_bytes())
    found = report(folder, tmp_path)
    assert sorted(decoded) == ["blue_99.jpg", "red_1.jpg"]
    assert list(found.skipped) == [str(folder / "red_1.jpg")] and found.counts["blue"] == 13
    decoded.clear()
    (folder / "red_1.jpg").write_bytes((folder / "red_2.jpg").read_bytes())
    assert report(folder, tmp_path).skipped == {} and decoded == ["red_1.jpg"]


def test_another_decoder_reads_everything_again(
    folder: Path, tmp_path: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """HEIC files that were refused are taken once pillow-heif is installed."""
    monkeypatch.setattr(photo, "FORMATS", ["PNG"])
    with pytest.raises(BadInput, match="None of the 36 photos can be used"):
        report(folder, tmp_path)
    monkeypatch.undo()
    assert report(folder, tmp_path).skipped == {}


def test_a_check_that_is_left_goes_on_where_it_was(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "STEP", 10)
    files = sorted(folder.iterdir())
    walk = read_all(files, tmp_path / "workspace")
    assert [next(walk), next(walk), next(walk)] == [Checked(0, 36), Checked(10, 36), Checked(20, 36)]
    walk.close()
    assert next(read_all(files, tmp_path / "workspace")) == Checked(20, 36)


def test_contents_are_known_without_decoding(folder: Path, tmp_path: Path, decoded: list[str]) -> None:
    files = [*sorted(folder.iterdir()), folder / "gone_1.jpg"]
    (folder / "red_1.jpg").write_bytes(b"no photo")
    contents = drain(contents_of(files, tmp_path))
    assert contents[:-1] == [hashlib.sha256(file.read_bytes()).hexdigest()[:24] for file in files[:-1]]
    assert contents[-1] == "" and decoded == []
    read = drain(read_all(files, tmp_path))
    assert [content for _, content in read] == contents and len(decoded) == 37, "they count as not decoded"
    decoded.clear()
    assert drain(contents_of(files, tmp_path)) == contents
    assert drain(read_all(files, tmp_path)) == read and decoded == []


def test_a_file_that_goes_away_meanwhile(folder: Path, tmp_path: Path) -> None:
    walk = read_all([folder / "red_1.jpg", folder / "gone_1.jpg"], tmp_path / "workspace")
    found = drain(walk)
    digest = hashlib.sha256((folder / "red_1.jpg").read_bytes()).hexdigest()[:24]
    assert found == [("", digest), ("No such file or directory", "")]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_not_utf8(folder: Path, tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9_1.jpg"))
    odd.write_bytes((folder / "red_1.jpg").read_bytes())
    assert report(folder, tmp_path).counts["caf\udce9"] == 1
    odd.write_bytes(b"no photo")
    assert report(folder, tmp_path).skipped[str(odd)] == "not an image in a known format"


def test_an_empty_folder_and_no_usable_photo(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(BadInput, match="No photos were found in"):
        report(tmp_path / "photos", tmp_path)
    (tmp_path / "photos" / "a_1.jpg").write_bytes(b"no photo")
    with pytest.raises(BadInput, match=r"None of the 1 photos can be used; the first is .*a_1\.jpg: not an image"):
        report(tmp_path / "photos", tmp_path)


def test_a_workspace_that_cannot_be_written(folder: Path, tmp_path: Path, decoded: list[str]) -> None:
    """The photos are read all the same, each time anew."""
    (tmp_path / "workspace").write_text("a file")
    for _ in range(2):
        assert report(folder, tmp_path).counts == {"blue": 12, "green": 12, "red": 12}
    assert len(decoded) == 2 * 36 and (tmp_path / "workspace").read_text() == "a file"


def test_a_clock_that_runs_far_ahead(folder: Path, tmp_path: Path, decoded: list[str]) -> None:
    for file in folder.iterdir():
        os.utime(file, ns=(10**19, 10**19))  # of the year 2286; a data base holds 64 bits with a sign
    for _ in range(2):
        assert report(folder, tmp_path).skipped == {}
    assert len(decoded) == 36


@pytest.mark.parametrize("length", [1001, 100_000])
def test_a_label_without_end(folder: Path, tmp_path: Path, length: int) -> None:
    (tmp_path / "labels.csv").write_text(f"f,l\nred_1.jpg,{'x' * length}\nred_2.jpg,{'y' * 1000}\nblue_1.jpg,blue\n")
    found = report(folder, tmp_path, labeller={"name": "csv", "path": str(tmp_path / "labels.csv")})
    assert found.counts == {"y" * 1000: 1, "blue": 1}
    reason = found.skipped[str(folder / "red_1.jpg")]
    assert "labels have 1 to 1,000 characters" in reason and len(reason) < 400


def test_very_many_warnings_are_counted(tmp_path: Path, draw_photos: Callable[..., Path]) -> None:
    (photo,) = draw_photos(tmp_path / "photos", 1, colours=("red",)).iterdir()
    for i in range(24):
        for word in ("dog", "Dog"):
            (photo.parent / f"{word}{i}_1.jpg").write_bytes(photo.read_bytes())
        (photo.parent / f".{i}").mkdir()
    warnings = report(tmp_path / "photos", tmp_path).warnings
    assert sum("look like spellings of one label" in warning for warning in warnings) == 21
    assert sum("was left out" in warning for warning in warnings) == 21
    assert any(w.startswith("at least 4 more warnings such as: 'Dog") for w in warnings)
    assert any(w.startswith("at least 4 more warnings such as: the folder") for w in warnings)


@pytest.mark.filterwarnings("ignore:.*:UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
def test_all_hostile_files_among_good_photos(folder: Path, tmp_path: Path, data_folder: Path) -> None:
    """Under their own names, and again all as .jpg, which every one of them must survive."""
    manifest = json.loads((data_folder / "hostile_images/manifest.json").read_text(encoding="utf-8"))["files"]
    for i, entry in enumerate(manifest):
        source = data_folder / "hostile_images" / entry["file"]
        for name in (f"own/hostile_{i}{source.suffix}", f"jpg/hostile_{i}.jpg"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(source.read_bytes())
    before = tree(folder)
    assert len(before) == 36 + 2 * 621
    examined, _ = run(recipe(folder), tmp_path / "workspace")
    assert tree(folder) == before
    used = {str(f) for f in examined.split.items}
    skipped = examined.report.skipped
    assert used | set(skipped) == {str(folder / f) for f in before} and not used & set(skipped)
    assert all(reason.strip() and "\n" not in reason for reason in skipped.values())
    assert examined.report.counts["red"] == 12
    readable = sum(e["pil"] == "ok" for e in manifest)
    assert 0.9 * readable < len([f for f in used if "/jpg/" in Path(f).as_posix()]) <= readable + 2


def test_any_thread_may_go_on_with_a_check(folder: Path, tmp_path: Path) -> None:
    walk = examine(recipe(folder), tmp_path / "workspace")
    assert next(walk) == Checked(0, 36)
    with ThreadPoolExecutor(1) as other:
        assert other.submit(list, walk).result(60) == [Checked(36, 36)]
    walk = examine(recipe(folder), tmp_path / "again")
    next(walk)
    with ThreadPoolExecutor(1) as other:
        other.submit(walk.close).result(60)


@pytest.mark.parametrize("name", ["train", "Training"])
def test_a_test_folder_without_labels_is_listed_and_no_class(
    tmp_path: Path, draw_photos: Callable[..., Path], name: str
) -> None:
    root = tmp_path / "photos"
    for colour in ("blue", "red"):
        draw_photos(root / name / colour, 15, colours=(colour,))
    for i, file in enumerate(sorted(draw_photos(tmp_path / "more", 3).iterdir())):
        (root / "test").mkdir(exist_ok=True)
        file.rename(root / "test" / f"{i}.jpg")
    proposed, _ = proposal(get_image_files(root), root, {"name": "folder", "path": str(root)})
    assert proposed.labeller == {"name": "folder", "ignore": ["test"]} and proposed.splitter["name"] == "stratified"
    examined, _ = run(proposed, tmp_path / "workspace")
    assert examined.report.counts == {"blue": 15, "red": 15}
    assert not examined.report.warnings
    assert all("'test' is not a label" in reason for reason in examined.report.skipped.values())
    assert len(examined.report.skipped) == 9


@pytest.mark.parametrize(("photos", "batch_size", "base_lr"), [(60, 8, 0.0014), (300, 16, 0.002), (5000, 64, 0.004)])
def test_a_small_data_set_has_small_batches_and_rates_by_their_square_root(
    photos: int, batch_size: int, base_lr: float
) -> None:
    items = [Path("pets", f"{'cat' if i % 2 else 'dog'}_{i}.jpg") for i in range(photos)]
    training = proposal(items, Path("pets"), {"name": "folder", "path": "pets"})[0].training
    assert (training.batch_size, training.base_lr) == (batch_size, base_lr)
    assert training.epochs >= Training.epochs and training.freeze_epochs >= Training.freeze_epochs


def test_with_validation_photos_the_whole_folder_is_the_data_set(
    tmp_path: Path, draw_photos: Callable[..., Path]
) -> None:
    for side in ("train", "valid"):
        for colour in ("blue", "red"):
            draw_photos(tmp_path / side / colour, 3, colours=(colour,))
    source = {"name": "folder", "path": str(tmp_path)}
    proposed, _ = proposal(get_image_files(tmp_path), tmp_path, source)
    assert proposed.source == source and proposed.splitter == {"name": "grandparent"}


def test_a_photo_beside_the_class_folders_is_warned_of(tmp_path: Path, draw_photos: Callable[..., Path]) -> None:
    root = tmp_path / "holiday"
    for colour in ("blue", "red"):
        draw_photos(root / colour, 12, colours=(colour,))
    (root / "red" / "red_1.jpg").rename(root / "alone.jpg")
    found = report(root, tmp_path, labeller={"name": "folder"})
    assert found.counts == {"blue": 12, "holiday": 1, "red": 11}
    assert any("'holiday' is the whole data set's folder" in warning for warning in found.warnings)


def kept(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.glob("*/*")}


def test_it_keeps_what_the_loaders_would(folder: Path, tmp_path: Path) -> None:
    """Also beside a file that is no photo, which the split was not to know of."""
    (folder / "red_0.jpg").write_bytes(b"no photo")
    plain, _ = run(recipe(folder), tmp_path / "plain")
    examined, events = finished(examine(recipe(folder), tmp_path / "w", cache=tmp_path / "by_check"))
    assert examined == plain and [e.done for e in events] == [0, 37]
    dls = loaders_of(examined.split, transforms.create("resize", size=40), [], cache=tmp_path / "by_loaders")
    for loader in (dls.train, dls.valid):
        list(loader.batches(0))
    ours, loaders = kept(tmp_path / "by_check"), kept(tmp_path / "by_loaders")
    shared = ours.keys() & loaders.keys()
    assert len(loaders) == 36 >= len(shared) > 18 and len(ours) == 36
    assert all(ours[name] == loaders[name] for name in shared)


def test_what_is_decoded_elsewhere_is_not_kept(folder: Path, tmp_path: Path) -> None:
    asked: list[Path] = []
    examined, _ = finished(examine(recipe(folder), tmp_path / "w", asked.append, tmp_path / "cache"))
    assert len(asked) == 36 and not (tmp_path / "cache").exists()
    assert examined == run(recipe(folder), tmp_path / "v")[0]


@pytest.mark.parametrize(
    "tfms", [[], [{"name": "flip"}, {"name": "resize", "size": 40}], [{"name": "resize", "size": 0}]]
)
def test_what_cannot_be_kept_is_checked_all_the_same(folder: Path, tmp_path: Path, tfms: list[dict[str, Any]]) -> None:
    plan = recipe(folder)
    plan.item_tfms[:] = tfms  # which a document would be refused for
    examined, _ = finished(examine(plan, tmp_path / "w", cache=tmp_path / "cache"))
    assert examined == run(plan, tmp_path / "v")[0] and examined.report.skipped == {}


def test_a_photo_that_could_not_be_decoded_just_now_is_tried_again(photos: Path, tmp_path: Path) -> None:
    files = list(get_image_files(photos))[:2]

    def busy(file: Path) -> None:
        raise photo.NotNow("it takes more than 10 seconds to decode")

    def reasons(*decode: Any) -> list[str]:
        return [reason for reason, _ in drain(read_all(files, tmp_path, *decode))]

    assert reasons(busy) == reasons(busy) == ["it takes more than 10 seconds to decode"] * 2
    assert reasons() == ["", ""]
