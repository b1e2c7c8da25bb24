"""verify_images finds what training would leave out."""

from __future__ import annotations

import json
from pathlib import Path

from core.data.files import get_image_files
from core.data.photo import BadPhoto, decode
from core.data.verify import verify_images


def test_only_what_cannot_be_decoded_is_named(photos: Path, tmp_path: Path) -> None:
    good = get_image_files(photos)
    cut, page, missing = tmp_path / "cut.jpg", tmp_path / "page.jpg", tmp_path / "missing.jpg"
    content = good[0].read_bytes()
    cut.write_bytes(content[: len(content) // 2])
    page.write_text("<html>")
    assert verify_images([*good[:3], cut, *good[3:], page, missing]) == [cut, page, missing]
    assert verify_images(good) == [] and verify_images([]) == []
    assert verify_images(map(str, [cut])).map(Path.exists) == [True], "it deletes nothing itself"


def test_it_agrees_with_the_decoder(data_folder: Path) -> None:
    def broken(file: Path) -> bool:
        try:
            decode(file)
        except BadPhoto:
            return True
        return False

    files = get_image_files(data_folder / "hostile_images")
    assert json.dumps(verify_images(files).map(str)) == json.dumps([str(f) for f in files if broken(f)])
