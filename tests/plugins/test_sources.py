"""Sources list photos; a zip is met with suspicion, and what is ours is written once and whole."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
import types
import warnings
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from PIL import Image
from pytest import MonkeyPatch

import plugins.sources.zip as zip_module
from core import hub as core_hub
from core.data import zips
from core.data.propose import source_of
from core.data.safe_names import distinct, safe_name
from core.discovery import discover
from core.errors import BadInput
from core.registry import sources
from tests.cpu import takes_at_most
from tests.hub.fixtures import hub as hub
from tests.hub.server import Hub

discover()
JPEG = b"\xff\xd8\xff\xe0 not decoded here \xff\xd9"


def make_zip(path: Path, *members: str | zipfile.ZipInfo, content: bytes = JPEG) -> Path:
    """A zip with `members`, all with the same content; one listed twice is in it twice."""
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in members:
            archive.writestr(member, content)
    return path


def unpack(tmp_path: Path, *members: str | zipfile.ZipInfo, **options: Any) -> Any:
    """The zip source of such a zip."""
    path = make_zip(tmp_path / "photos.zip", *members, **options)
    return sources.create("zip", tmp_path / "workspace", path=str(path))


def patch_headers(path: Path, offset_in_local: int, offset_in_central: int, value: int) -> None:
    """Overwrite a 16-bit field of every member's two headers."""
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", offset_in_local), (b"PK\x01\x02", offset_in_central)):
        for found in re.finditer(re.escape(signature), bytes(data)):
            data[found.start() + offset : found.start() + offset + 2] = value.to_bytes(2, "little")
    path.write_bytes(data)


def test_folder_lists_sorted_photos_and_changes_nothing(tmp_path: Path) -> None:
    for name in ("b/2.JPG", "a/1.png", "a/.hidden.jpg", "__MACOSX/3.jpg", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(JPEG)
    before = sorted(tmp_path.rglob("*"))
    source = sources.create("folder", tmp_path / "workspace", path=str(tmp_path))
    assert source() == [tmp_path / "a/1.png", tmp_path / "b/2.JPG"]
    assert source.root == tmp_path
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("path", ["", " ", "/no/such/folder", "~nobody-of-that-name/photos", "a\0b", "x" * 100_000])
@pytest.mark.parametrize("name", ["folder", "zip"])
def test_folder_or_zip_that_is_none(tmp_path: Path, name: str, path: str) -> None:
    with pytest.raises(BadInput, match=r"give the (folder|zip)") as refused:
        sources.create(name, tmp_path, path=path)()
    assert len(str(refused.value)) < 400


def test_zip_keeps_names_and_finds_photos_and_tables_alone(tmp_path: Path) -> None:
    source = unpack(tmp_path, "cats/b_2.jpg", "cats/a_1.JPEG", "./cats//c_3.png", "labels.csv", "run.exe",
                    "cats/.x.jpg", "__MACOSX/cats/a_1.jpg", "é/ü_1.jpg", "win\\dows_1.jpg")  # fmt: skip
    assert [f.relative_to(source.root).as_posix() for f in source()] == [
        "cats/a_1.JPEG", "cats/b_2.jpg", "cats/c_3.png", "win/dows_1.jpg", "é/ü_1.jpg",
    ]  # fmt: skip
    assert (source.root / "labels.csv").exists()
    assert not list(source.root.rglob("*.exe")) and source.skipped == []
    assert source.others == {"run.exe": "not a photo by its suffix '.exe'"}
    assert [source.original(f) for f in source()][-2:] == [Path("win/dows_1.jpg"), Path("é/ü_1.jpg")]


def test_zip_is_unpacked_once_per_content(tmp_path: Path) -> None:
    source = unpack(tmp_path, "a_1.jpg")
    digest = hashlib.sha256(source.path.read_bytes()).hexdigest()
    (photo,) = source()
    stamp = photo.stat().st_mtime_ns
    copy = source.path.rename(tmp_path / "renamed.zip")
    again = sources.create("zip", tmp_path / "workspace", path=str(copy))
    assert again() == [photo] and photo.stat().st_mtime_ns == stamp
    assert hashlib.sha256(copy.read_bytes()).hexdigest() == digest
    other = make_zip(tmp_path / "renamed.zip", "b_1.jpg")
    assert [f.name for f in sources.create("zip", tmp_path / "workspace", path=str(other))()] == ["b_1.jpg"]


def test_zip_does_not_write_outside(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link_1.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    hostile = ["../up_1.jpg", "a/../../up_2.jpg", "/abs_1.jpg", "C:/abs_2.jpg", "..\\up_3.jpg", "\\\\host\\abs_3.jpg"]
    source = unpack(tmp_path, *hostile, link, "good_1.jpg", content=b"/etc/passwd")
    assert [f.name for f in source()] == ["good_1.jpg"]
    assert sorted(source.skipped) == sorted([*hostile, "link_1.jpg"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photos.zip", "workspace"]
    assert not any(p.is_symlink() for p in tmp_path.rglob("*"))


@pytest.mark.parametrize(
    ("original", "written"),
    [
        ("CON.jpg", "_CON.jpg"),
        ("aux/nul.tar.jpg", "_aux/_nul.tar.jpg"),
        ("com1 .jpg", "_com1 .jpg"),
        ("dots.../x_1.jpg", "dots/x_1.jpg"),
        ("x_1.jpg. .", "x_1.jpg"),
        ('a<b>c:"d|e?f*_1.jpg', "a_b_c__d_e_f__1.jpg"),
        ("tab\there\x1b_1.jpg", "tab_here__1.jpg"),
        (" ... /x_1.jpg", "_/x_1.jpg"),
        ("e\u0301_1.jpg", "\u00e9_1.jpg"),
        ("COMB.jpg", "COMB.jpg"),
    ],
)
def test_zip_names_that_some_system_refuses(tmp_path: Path, original: str, written: str) -> None:
    source = unpack(tmp_path, original)
    (photo,) = source()
    assert photo.relative_to(source.root).as_posix() == written
    assert source.original(photo) == Path(original)


def test_zip_names_that_are_too_long(tmp_path: Path) -> None:
    long, deep = "ф" * 150 + "_1.jpg", "/".join("d" * 40) + "/y_1.jpg"
    source = unpack(tmp_path, long, deep)
    assert {source.original(f) for f in source()} == {Path(long), Path(deep)}
    assert max(len(part.encode()) for f in source() for part in f.parts) <= 200
    assert max(len(f.relative_to(source.root).parts) for f in source()) == 20


def test_zip_names_that_collide(tmp_path: Path) -> None:
    members = ["Cat/a_1.jpg", "cat/A_1.JPG", "cat/a_1.jpg", "cat/a_1.jpg", "cat/a_1-2.jpg", "cat/b_1.jpg",
               "x.jpg", "x.jpg/y_1.jpg"]  # fmt: skip
    source = unpack(tmp_path, *members)
    written = [f.relative_to(source.root).as_posix() for f in source()]
    assert len({name.casefold() for name in written}) == len(members)
    assert len({Path(name).parent for name in written}) == 3, "a folder is spelled in one way"
    assert sorted(source.original(f).as_posix() for f in source()) == sorted(members)


def test_zip_of_very_many_equal_names_takes_no_time(tmp_path: Path) -> None:
    assert len(set(distinct([PurePosixPath("a.jpg")] * 20_000))) == 20_000


def test_zip_bomb(tmp_path: Path) -> None:
    source = unpack(tmp_path, "a_1.bmp", content=bytes(60 * 2**20))
    assert source.path.stat().st_size < 100_000
    with pytest.raises(BadInput, match="unpacks to over 100 times its size"):
        source()
    assert list((tmp_path / "workspace" / "sources").iterdir()) == [], "nothing half unpacked stays"


@pytest.mark.parametrize(
    ("cap", "value", "message"),
    [
        ("MAX_FILES", 2, "holds 3 photos and tables, more than 2"),
        ("MAX_FILE", 10, r"holds 'a_1\.jpg' of over"),
        ("MAX_TOTAL", 50, "unpacks to over"),
    ],
)
def test_zip_caps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cap: str, value: int, message: str) -> None:
    monkeypatch.setattr(zip_module, cap, value)
    with pytest.raises(BadInput, match=message):
        unpack(tmp_path, "a_1.jpg", "a_2.jpg", "a_3.jpg")()


@pytest.mark.parametrize("content", [b"", b"x"])
def test_zip_of_empty_files_in_very_many_folders(tmp_path: Path, content: bytes) -> None:
    """A folder takes room on the disk as well: 120 bytes of a zip would become 80,000."""
    source = unpack(tmp_path, *("/".join([f"{i}"] * 19) + "/1.csv" for i in range(700)), content=content)
    with pytest.raises(BadInput, match="unpacks to over 100 times its size"):
        source()
    assert list((tmp_path / "workspace" / "sources").iterdir()) == []


@pytest.mark.parametrize(
    ("cap", "names", "message"),
    [
        ("MAX_FILES", ["1.csv", "2.csv", "3.csv"], "holds 3 photos and tables, more than 2"),
        ("MAX_FILES", ["a/b/1.csv", "a/c/1.csv"], "holds over 2 folders"),
        ("MAX_TOTAL", ["1.csv"], "unpacks to over"),
        ("MAX_FILE", ["1.csv"], r"holds '1\.csv' of over"),
    ],
)
def test_zip_caps_for_tables(
    tmp_path: Path, monkeypatch: MonkeyPatch, cap: str, names: list[str], message: str
) -> None:
    monkeypatch.setattr(zip_module, cap, 2)
    with pytest.raises(BadInput, match=message):
        unpack(tmp_path, *names)()
    assert list((tmp_path / "workspace" / "sources").iterdir()) == []


def test_zip_of_very_many_members_is_refused_before_they_are_listed(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(zips, "MAX_ENTRIES", 1000)
    monkeypatch.setattr(zips, "CHUNK", 2**17)
    names = [f"{i:0150}.txt" for i in range(1001)]
    few = make_zip(tmp_path / "few.zip", *names[:999], "1.jpg")
    many = make_zip(tmp_path / "many.zip", *names)
    assert sources.create("zip", tmp_path / "workspace", path=str(few))()
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("it was listed"))
    with pytest.raises(BadInput, match="lists over 1,000 files"):
        sources.create("zip", tmp_path / "workspace", path=str(many))()


@pytest.mark.parametrize("size", [0, 10, 2**20 - 1, 3 * 2**20])
def test_members_are_counted_wherever_the_directory_begins(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1.jpg", bytes(size))
        for i in range(5000):
            archive.writestr(f"{i:0250}.jpg", b"")
    with path.open("rb") as file:
        assert 4990 < zips._listed(file) <= 5001  # one may lie across two chunks
        with zips.open_zip(file) as archive:
            assert len(archive.namelist()) == 5001


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
@pytest.mark.parametrize("whole", [True, False])
def test_zip_follows_no_link_that_was_laid_before(tmp_path: Path, whole: bool) -> None:
    source = unpack(tmp_path, "a_1.jpg")
    digest = hashlib.sha256(source.path.read_bytes()).hexdigest()
    if whole:
        (tmp_path / "elsewhere" / "files").mkdir(parents=True)
        (tmp_path / "elsewhere" / "files" / "secret.jpg").write_bytes(JPEG)
    (tmp_path / "workspace" / "sources").mkdir(parents=True)
    (tmp_path / "workspace" / "sources" / f"zip-{digest[:32]}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadInput, match="is a link"):
        source()


def test_zip_whose_list_of_names_is_damaged(tmp_path: Path) -> None:
    source = unpack(tmp_path, "a:1.jpg")
    (photo,) = source()
    (photo.parent / "added.jpg").write_bytes(JPEG)
    assert source.original(photo.parent / "added.jpg") == Path("added.jpg")
    again = sources.create("zip", tmp_path / "workspace", path=str(source.path))
    (photo.parents[1] / "table.json").write_text("{")
    with pytest.raises(BadInput, match="is damaged; delete its folder"):
        again.original(photo)


def test_zip_says_little_of_names_in_it(tmp_path: Path) -> None:
    long = "x" * 60_000
    source = unpack(tmp_path, f"{long}_1.jpg", f"../{long}_2.jpg")
    source()
    assert max(map(len, source.skipped)) < 300
    for what, remedy in ((b"_1.jpg", "damaged"), (b"PK\x01\x02", "damaged")):
        (tmp_path / what[:2].decode()).mkdir()
        path = make_zip(tmp_path / what[:2].decode() / "photos.zip", f"{long}_1.jpg")
        path.write_bytes(path.read_bytes().replace(what, bytes(len(what)), 1))
        with pytest.raises(BadInput, match=remedy) as refused:
            sources.create("zip", tmp_path / "workspace", path=str(path))()
        assert len(str(refused.value)) < 700


def test_names_of_very_many_marks_take_no_time() -> None:
    with takes_at_most(2):  # seconds each
        for _ in range(10):
            assert safe_name("a" + "\u0301\u0323" * 15_000 + ".jpg").endswith(".jpg")


def test_zip_that_lies_about_a_size(tmp_path: Path) -> None:
    source = unpack(tmp_path, "a_1.jpg", content=bytes(100_000))
    patch_headers(source.path, 22, 24, 5)  # "five bytes"
    with pytest.raises(BadInput, match="damaged"):
        source()


def test_zip_with_a_password(tmp_path: Path) -> None:
    source = unpack(tmp_path, "a_1.jpg")
    patch_headers(source.path, 6, 8, 1)
    with pytest.raises(BadInput, match="protected by a password"):
        source()


def test_zip_with_an_unbounded_compression(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a_1.jpg", JPEG)
    with pytest.raises(BadInput, match="unusual compression"):
        sources.create("zip", tmp_path, path=str(path))()


def test_zip_that_is_broken_or_none(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", "a_1.jpg", "a_2.jpg")
    whole = path.read_bytes()
    rotten = whole[:45] + bytes(1) + whole[46:]  # in the first photo
    lost = whole.replace(b"PK\x01\x02", b"PK\x01\x03", 1)
    for data in (b"", b"no zip", whole[:-30], whole[40:60], rotten, lost):
        path.write_bytes(data)
        with pytest.raises(BadInput, match=r"a\.zip' is damaged or not a zip file"):
            sources.create("zip", tmp_path, path=str(path))()
    for missing in (tmp_path / "none.zip", tmp_path):
        with pytest.raises(BadInput, match="There is no zip file"):
            sources.create("zip", tmp_path, path=str(missing))()


def test_zip_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    source = unpack(tmp_path, "a_1.jpg")
    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(BadInput, match=r"No space left.*make room"):
        source()


def test_zip_lost_race_takes_the_winners_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def winner_is_there_first(self: Path, target: Path) -> Path:
        (target / "files").mkdir(parents=True)
        (target / "files" / "a_1.jpg").write_bytes(b"the winner's")
        return rename(self, target)

    source = unpack(tmp_path, "a_1.jpg")
    monkeypatch.setattr(Path, "rename", winner_is_there_first)
    assert [f.read_bytes() for f in source()] == [b"the winner's"]
    assert len(list(source.root.parent.parent.iterdir())) == 1


def test_sample_is_drawn_once_and_alike(tmp_path: Path) -> None:
    first, second = (sources.create("sample", tmp_path / w, count=3, seed=1) for w in ("one", "two"))
    files = first()
    assert len(files) == 15 and len({f.read_bytes() for f in files}) == 15
    assert [f.read_bytes() for f in files] == [f.read_bytes() for f in second()]
    assert {re.search(r"(.+)_\d+\.jpg$", f.name)[1] for f in files} == {"balloon", "boat", "fish", "house", "mushroom"}
    assert first.root == tmp_path / "one" / "sources" / "sample-3-1"
    stamps = [f.stat().st_mtime_ns for f in files]
    assert [f.stat().st_mtime_ns for f in first()] == stamps
    shapes = []
    for file in files:
        with Image.open(file) as photo:
            photo.load()
            shapes.append(photo.size)
    assert all(240 <= side <= 400 for shape in shapes for side in shape)
    assert {w > h for w, h in shapes} == {True, False}
    other = sources.create("sample", tmp_path / "one", count=3, seed=2)
    assert other()[0].read_bytes() != files[0].read_bytes()
    assert sorted(os.listdir(tmp_path / "one" / "sources")) == ["sample-3-1", "sample-3-2"]


def test_the_sample_teaches_from_its_17th_picture_on() -> None:
    from plugins.sources.sample import THINGS, drawn_as, far_balloon, far_mushroom, fish, house

    assert all(drawn_as(thing, number) is thing for thing in THINGS for number in range(1, 17))
    shown = {(thing, drawn_as(thing, number)) for thing in THINGS for number in range(17, 41)}
    wrong = [(thing, n) for thing in THINGS for n in range(1, 41) if drawn_as(thing, n) in set(THINGS) - {thing}]
    assert [n for _, n in wrong] == [17] * 5 and (fish, house) in shown
    alike = {picture for _, picture in shown} - set(THINGS)
    assert alike == {far_balloon, far_mushroom}


def test_sample_leaves_nothing_half_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import plugins.sources.sample as sample_module

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sample_module, "picture", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sources.create("sample", tmp_path)()
    assert list((tmp_path / "sources").iterdir()) == []


@pytest.mark.parametrize("count", [1, 1000, 2.5])
def test_sample_count_is_checked(tmp_path: Path, count: object) -> None:
    with pytest.raises(BadInput, match="count"):
        sources.create("sample", tmp_path, count=count)


def fake_torchvision(monkeypatch: pytest.MonkeyPatch, download: Any) -> None:
    """Put `download` where `torchvision.datasets.OxfordIIITPet` is."""
    module = types.ModuleType("torchvision.datasets")
    module.OxfordIIITPet = download  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchvision.datasets", module)


def test_pets_keeps_a_finished_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def download(root: str, download: bool) -> None:
        calls.append(root)
        images = Path(root) / "oxford-iiit-pet" / "images"
        images.mkdir(parents=True)
        for name in ("pug_2.jpg", "pug_1.jpg", "Abyssinian_100.mat"):
            (images / name).write_bytes(JPEG)

    fake_torchvision(monkeypatch, download)
    source = sources.create("pets", tmp_path)
    assert [f.name for f in source()] == ["pug_1.jpg", "pug_2.jpg"]
    assert source() == source() and len(calls) == 1
    assert [p.name for p in (tmp_path / "sources").iterdir()] == ["oxford-iiit-pet"]


def test_pets_without_internet_names_the_offline_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(root: str, download: bool) -> None:
        (Path(root) / "oxford-iiit-pet" / "images").mkdir(parents=True)  # torchvision would take this for a whole one
        raise OSError("<urlopen error timed out>")

    fake_torchvision(monkeypatch, download)
    source = sources.create("pets", tmp_path)
    for _ in range(2):
        with pytest.raises(BadInput, match=r"timed out.*'sample'.*'folder' or 'zip'"):
            source()
    assert list((tmp_path / "sources").iterdir()) == []


def on_the_hub(hub: Hub, photos: Path, repo: str = "anna/photos") -> None:
    """A data set of image folders, with files that are no photos."""
    api = HfApi(token=hub.token)
    api.create_repo(repo, repo_type="dataset", exist_ok=True)
    adds = [CommitOperationAdd(f"{p.name.split('_')[0]}/{p.name}", p) for p in sorted(photos.iterdir())]
    adds.append(CommitOperationAdd("train.parquet", b"no photo"))
    api.create_commit(repo, adds, commit_message="photos", repo_type="dataset")


def test_a_data_set_of_the_hub_comes_with_its_folders_and_once(hub: Hub, photos: Path, tmp_path: Path) -> None:
    on_the_hub(hub, photos)
    source = sources.create("hub", tmp_path, repo="anna/photos")
    found = source()
    assert {f.relative_to(source.root).as_posix() for f in found} == {
        f"{p.name.split('_')[0]}/{p.name}" for p in photos.iterdir()
    }
    assert all(f.read_bytes() == (photos / f.name).read_bytes() for f in found)
    assert not list(source.root.rglob("*.parquet"))
    calls = len(hub.calls)
    assert sources.create("hub", tmp_path, repo="anna/photos")() == found and len(hub.calls) == calls


def test_a_data_set_that_was_cut_off_goes_on(hub: Hub, photos: Path, tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    on_the_hub(hub, photos)
    monkeypatch.setattr(core_hub, "WAITS", ())
    hub.fail("resolve", 404, 5)
    source = sources.create("hub", tmp_path, repo="anna/photos")
    with pytest.raises(BadInput, match="no such repository"):
        source()
    assert len(source()) == 24


def test_a_data_set_of_the_hub_is_refused_in_a_sentence(hub: Hub, photos: Path, tmp_path: Path) -> None:
    on_the_hub(hub, photos)
    with pytest.raises(BadInput, match="a valid login"):
        sources.create("hub", tmp_path, repo="anna/none")()  # to a stranger the Hub does not say whether it is private
    with pytest.raises(BadInput, match=r"holds 0\.00 GB.*raise max_gb"):
        sources.create("hub", tmp_path, repo="anna/photos", max_gb=0.0)()
    with pytest.raises(BadInput, match="not a name on the Hub"):
        sources.create("hub", tmp_path, repo="../photos")()
    HfApi(token=hub.token).create_repo("anna/tables", repo_type="dataset")
    with pytest.raises(BadInput, match="holds no image files"):
        sources.create("hub", tmp_path, repo="anna/tables")()
    assert not (tmp_path / "sources").exists()


def test_what_a_person_names_is_a_source(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my" / "photos").mkdir(parents=True)
    assert source_of("my/photos") == {"name": "folder", "path": "my/photos"}
    assert source_of("anna/photos") == {"name": "hub", "repo": "anna/photos"}
    assert source_of("anna/photos.zip") == {"name": "zip", "path": "anna/photos.zip"}
    assert source_of("/anna/photos") == {"name": "folder", "path": "/anna/photos"}
