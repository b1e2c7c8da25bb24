"""Photos to predict, in files, folders and zips, of which neither the names nor the stated sizes are trusted."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from PIL import Image

from core.data.photo import BadPhoto
from core.errors import BadInput
from plugins.panels.kit.project import sent_photos as module
from plugins.panels.kit.project.sent_photos import SentPhoto, photo_of, sent_photos
from plugins.panels.kit.views.drop import Uploaded


def jpeg() -> bytes:
    """A small photo."""
    with io.BytesIO() as stream:
        Image.new("RGB", (20, 20), "red").save(stream, "JPEG")
        return stream.getvalue()


def zipped(folder: Path, *names: str, content: bytes | None = None, method: int = zipfile.ZIP_DEFLATED) -> Uploaded:
    """An uploaded zip of photos of these names."""
    file = folder / "sent.zip"
    with zipfile.ZipFile(file, "w", method) as archive:
        for name in names:
            archive.writestr(name, jpeg() if content is None else content)
    return Uploaded(file, PurePosixPath("sent.zip"))


def test_the_photos_of_a_zip_are_there_one_at_a_time_and_with_safe_names(tmp_path: Path) -> None:
    names = ("set/boat/1.jpg", "../../etc/2.jpg", "notes.txt", "__MACOSX/boat/1.jpg", "/fish/3.PNG")
    found = sent_photos([zipped(tmp_path, *names), Uploaded(tmp_path / "x.jpg", PurePosixPath("boat/x.jpg"))])
    assert [str(photo.name) for photo in found] == ["set/boat/1.jpg", "etc/2.jpg", "fish/3.PNG", "boat/x.jpg"]
    with found[0].file() as file:
        assert file.read_bytes() == jpeg() and not file.is_relative_to(tmp_path / "set")
    assert not file.exists()
    assert [photo.label(["boat", "set"]) for photo in found] == ["boat", "", "", "boat"]


@pytest.mark.parametrize("what", ["damaged", "empty", "crowded"])
def test_a_zip_that_cannot_be_used_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    sent = zipped(tmp_path, *(["a.txt"] if what == "empty" else ["a.jpg", "b.jpg"]))
    if what == "damaged":
        sent.path.write_bytes(sent.path.read_bytes()[:-40])
    monkeypatch.setattr(module, "MOST_MEMBERS", 1 if what == "crowded" else 9)
    with pytest.raises(BadInput, match="zip"):
        sent_photos([sent])


@pytest.mark.parametrize("what", ["large", "unusual", "changed"])
def test_a_photo_that_cannot_be_unpacked_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    method = zipfile.ZIP_BZIP2 if what == "unusual" else zipfile.ZIP_DEFLATED
    (photo,) = sent_photos([zipped(tmp_path, "a.jpg", content=bytes(3_000_000), method=method)])
    monkeypatch.setattr(module, "LARGEST", 1_000_000 if what == "large" else 10_000_000)
    if what == "changed":
        content = bytearray(photo.path.read_bytes())
        content[60] ^= 255
        photo.path.write_bytes(content)
    with pytest.raises(BadPhoto, match="cannot be unpacked"), photo.file():
        pass


def test_a_button_finds_its_photo_again_among_uploads_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugins.panels.kit.views.drop.get_upload_folder", lambda: str(tmp_path))
    photos = sent_photos([zipped(tmp_path, "a/1.jpg", "notes.txt", "a/2.jpg")])
    told = [{name: str(value) for name, value in photo.told().items()} for photo in photos]  # as a browser sends them
    assert [photo_of(each).member for each in told] == [0, 2]
    for change in ({"member": "1"}, {"member": "99"}, {"file": "/etc/hostname"}, {"file": None}):
        with pytest.raises(BadInput):
            photo_of(told[0] | change)
    assert photo_of(told[0] | {"member": "x"}) == SentPhoto(photos[0].path, PurePosixPath("a/1.jpg"))
