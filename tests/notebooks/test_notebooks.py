"""The notebooks of fastbook's chapters 1, 2 and 5, as anybody would type them here: they run from top to bottom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

Words = dict[str, Any]


def run(chapter: str, **given: Any) -> Words:
    """What the notebook leaves behind, of photos that are given."""
    file = Path(__file__).with_name(f"{chapter}.py")
    words: Words = dict(given)
    torch.manual_seed(0)
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), words)
    return words


def test_chapter_1(data_folder: Path) -> None:
    left = run("chapter_1", path=data_folder / "tiny_pets")
    assert left["dls"].vocab == ["False", "True"] and len(left["dls"].valid.items) == 12
    assert left["epochs"][-1].metrics["error_rate"] <= 0.34  # 4 of 12
    assert left["answer"] in ("True", "False") and left["said"].startswith(f"Is it a cat? {left['answer']}")
    assert left["thumb"].size[0] <= 48 < left["img"].size[0] and left["img"].mode == "RGB"
    assert left["pixels"].shape == (*left["shape"], 3) and left["shape"] == left["img"].size[::-1]
    assert left["opened"].format == "JPEG"
    assert left["from_array"] == left["answer"] and torch.equal(left["array_probs"], left["probs"])
    assert left["by_expression"].vocab == ["Abyssinian", "Bengal", "Sphynx", "american_bulldog"]
    assert left["by_path"].vocab == ["0", "1"] and left["by_list"].vocab == ["Aby", "Ben", "Sph", "ame"]


def test_chapter_2(tmp_path: Path, draw_photos: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bears"
    for number, colour in enumerate(("red", "blue")):
        draw_photos(path / colour, 8, number, (colour,))
    (path / "red" / "page.jpg").write_text("<html>404</html>")
    whole = (path / "blue" / "blue_1.jpg").read_bytes()
    (path / "blue" / "cut.jpg").write_bytes(whole[: len(whole) // 2])

    left = run("chapter_2", path=path, export=tmp_path / "export")

    assert [file.name for file in left["failed"]] == ["cut.jpg", "page.jpg"]
    assert not any(file.exists() for file in left["failed"]) and len(list(path.rglob("*.jpg"))) == 16
    assert left["dls"].vocab == ["blue", "red"]
    row = left["cropped"].size
    assert row == left["squished"].size == left["padded"].size == left["parts"].size
    assert left["worst"].width >= row[0], "with a legend, as its captions are long"
    assert left["changed"].width == row[0] and left["changed"].height > row[1]
    assert left["epochs"][-1].metrics["error_rate"] <= 0.25
    assert "precision" in capsys.readouterr().out and left["matrix"].width > 100
    assert left["pred"] in ("blue", "red") and left["label"].endswith(f"{left['probs'].max():.4f}")
    assert left["learn_inf"].vocab == ["blue", "red"] and left["small"].size <= (24, 24)


def test_chapter_5(data_folder: Path) -> None:
    left = run("chapter_5", path=data_folder / "tiny_pets")
    assert isinstance(left["batch"], Image.Image) and left["batch"].width > 1.5 * left["batch"].height
    assert "one size" in left["problem"]
    assert [e.epoch for e in left["epochs"]] == [0, 0, 1] and len(left["halved"]) == 2
    assert left["preds"].shape == (48, 4)
    classes, total = left["total"]
    assert classes == 4 and float(total) == pytest.approx(1)
    torch.testing.assert_close(left["nll"], -left["picked"])
    assert len({round(float(loss), 5) for loss in left["losses"]}) == 1
    assert max(left["matrix"].size) <= 720
    assert left["lr_min"] is None or 0 < left["lr_min"] < 10
    assert left["curve"].size == (900, 480)
    assert not left["learn"].task.architecture.frozen
