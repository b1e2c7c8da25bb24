"""The Space's files: what the Hub reads, the engine's own way with photos, and no more of anybody's than was agreed."""

from __future__ import annotations

import io
import json
import re
import shutil
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import SpaceCard
from PIL import Image

from core.data import bounds, colours, decoder, photo, upright
from core.data.photo import decode
from core.errors import BadInput
from core.model.file_names import CONFIG
from core.publish.onnx import ONNX
from core.publish.space import space_files
from core.runs.predictions import keep_predictions, predictions_of
from core.runs.run import Run

FILES = {
    "README.md",
    "app.py",
    *(f"core/data/{name}.py" for name in ("bounds", "colours", "decoder", "photo", "upright")),
    "config.json",
    "model.onnx",
    "requirements.txt",
}


def test_what_the_hub_reads(exported: Run) -> None:
    files = space_files(exported, "anna/my-pets", "cpu-basic", "mit", 0)
    assert set(files) == FILES
    said = SpaceCard(files["README.md"].decode()).data.to_dict()
    assert said["sdk"] == "gradio" and said["sdk_version"] == version("gradio")
    assert said["models"] == ["anna/my-pets"] and said["license"] == "mit" and said["title"] == "my-pets"
    assert isinstance(said["python_version"], str) and re.fullmatch(r"3\.\d\d", said["python_version"])
    assert said["app_file"] in files and len(said["short_description"]) <= 60
    assert {"emoji", "colorFrom", "colorTo"} <= set(said)
    pins = files["requirements.txt"].decode().splitlines()
    assert pins == [f"{name}=={version(name)}" for name in ("onnxruntime", "pillow", "numpy", "pillow-heif")]


def test_no_license_is_made_up_and_zero_gpu_needs_its_package(exported: Run) -> None:
    files = space_files(exported, "anna/my-pets", "zero-gpu", None, 0)
    said = SpaceCard(files["README.md"].decode()).data.to_dict()
    assert "license" not in said and said["python_version"] == "3.12.12"  # of the two that ZeroGPU has
    assert files["requirements.txt"].decode().splitlines()[-1] == "spaces"


def test_the_photos_are_prepared_by_the_engines_own_files(exported: Run) -> None:
    files = space_files(exported, "anna/my-pets", "cpu-basic", None, 0)
    for module in (bounds, colours, decoder, photo, upright):
        assert files[f"core/data/{Path(module.__file__).name}"] == Path(module.__file__).read_bytes()
    assert files[CONFIG] == (exported.folder / CONFIG).read_bytes()
    assert files[ONNX] == (exported.folder / ONNX).read_bytes()
    compile(files["app.py"], "app.py", "exec")


def test_examples_are_photos_it_gets_right_one_a_class_first_and_nothing_else_of_them(
    mine: Run, tmp_path: Path
) -> None:
    results = predictions_of(mine)
    wrong = int(results.targets[0])
    results.logits[0] = 0
    results.logits[0, (wrong + 1) % len(results.vocab)] = 9  # the first is now predicted wrongly, the others rightly
    for i, target in enumerate(results.targets.tolist()[1:], 1):
        results.logits[i] = 0
        results.logits[i, target] = 9
    folder = tmp_path / "secret_names"
    folder.mkdir()
    items = []
    for i, item in enumerate(results.items):
        image = Image.open(item).resize((1500, 900))
        image.putpixel((0, 0), (i, 0, 0))
        exif = Image.Exif()
        exif[0x010E], exif[0x0112] = "taken at home", 6  # a description, and a turn by 90 degrees
        items.append(folder / f"anna_{i}.jpg")
        image.save(items[-1], exif=exif, comment=b"my comment", quality=95)
    keep_predictions(mine, replace(results, items=items), folder)

    files = space_files(mine, "anna/my-pets", "cpu-basic", None, 3)
    assert set(files) == FILES | {f"examples/{i}.jpg" for i in (1, 2, 3)}
    chosen = []
    for i in (1, 2, 3):
        content = files[f"examples/{i}.jpg"]
        assert not re.search(rb"anna|secret|home|comment|Exif", content)
        with Image.open(io.BytesIO(content)) as image:
            assert not image.getexif() and set(image.info) <= {
                "jfif", "jfif_version", "jfif_unit", "jfif_density"
            }  # fmt: skip
            assert image.size == (614, 1024)  # upright, and no larger than that
            small = np.asarray(image.resize((8, 8)), float)
        distances = [np.abs(np.asarray(decode(item).resize((8, 8)), float) - small).mean() for item in items]
        assert min(distances) < 4
        chosen.append(int(np.argmin(distances)))
    assert 0 not in chosen and len(set(chosen)) == 3
    present = set(results.targets.tolist()[1:])
    assert {int(results.targets[i]) for i in chosen[: len(present)]} == present

    shutil.rmtree(folder)
    assert set(space_files(mine, "anna/my-pets", "cpu-basic", None, 3)) == FILES


def test_a_model_that_is_not_the_exported_one_is_not_shown(mine: Run, trained: Run) -> None:
    with pytest.raises(BadInput, match=r"has no model\.onnx of its current model"):
        space_files(trained, "anna/my-pets", "cpu-basic", None, 0)
    config = json.loads((mine.folder / CONFIG).read_text(encoding="utf-8"))
    config["pretrained_cfg"]["mean"] = [0, 0, 0]
    (mine.folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(BadInput, match="is damaged"):
        space_files(mine, "anna/my-pets", "cpu-basic", None, 0)
