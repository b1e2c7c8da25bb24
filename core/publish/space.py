"""The files of a Space that shows a run's model: a small page and the model as ONNX, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from core.data.decoder import ROOT
from core.errors import BadInput
from core.model.doubt import doubt_files
from core.model.file_names import CONFIG
from core.model.folder import read_config
from core.model.hashes import check_hashes
from core.publish.hub import Space
from core.publish.onnx import ONNX, onnx_is_current
from core.publish.page import INDEX
from core.publish.sample import examples_of
from core.runs.run import Run

APP = Path(__file__).parent / "space" / "app.py.txt"  # .txt, as the engine must not import it
DECODING = tuple(
    f"core/data/{name}.py" for name in ("bounds", "colours", "decoder", "photo", "upright")
)  # with Pillow and NumPy alone
PYTHONS = {"cpu-basic": "3.12", "zero-gpu": "3.12.12"}  # that the Hub offers and that our requirements have
SERVED = (
    "`core/data` prepares a photo exactly as in validation, and `model.onnx` gives the same predictions as the model "
    "itself; `config.json` has the settings of both. Visitors' photos are deleted within an hour."
)
STATIC = (
    "`prepare.js` prepares a photo as in validation, and `model.onnx` gives the same predictions as the model itself, "
    "in the visitor's own browser: photos stay on the visitor's device."
)
REQUIREMENTS = ("onnxruntime", "pillow", "numpy", "pillow-heif")


def space_files(run: Run, repo_id: str, space: Space, license: str | None, examples: int) -> dict[str, bytes]:
    """All files of a Space for the model `repo_id`, by name; raises BadInput if the run has no current model.onnx.

    `examples` is the number of correctly predicted validation photos to include, without their names and metadata.
    """
    check_hashes(run.folder)
    if not onnx_is_current(run):
        raise BadInput(f"{run.name!r} has no {ONNX} of its current model; export it first.")
    classes = len(read_config(run.folder).vocab)
    settings = {
        "sdk": "gradio",
        "sdk_version": _installed("gradio"),
        "python_version": PYTHONS[space],
        "app_file": "app.py",
    }
    pins = [f"{package}=={_installed(package)}" for package in REQUIREMENTS]
    files = {
        "README.md": _readme(repo_id, classes, license, SERVED, settings).encode(),
        "app.py": APP.read_bytes(),
        **{name: (ROOT / name).read_bytes() for name in DECODING},
        CONFIG: (run.folder / CONFIG).read_bytes(),
        ONNX: (run.folder / ONNX).read_bytes(),
        **{name: (run.folder / name).read_bytes() for name in doubt_files(run.folder)},
        "requirements.txt": "\n".join([*pins, *(["spaces"] if space == "zero-gpu" else []), ""]).encode(),
    }
    return files | {f"examples/{i}.jpg": example for i, example in enumerate(examples_of(run, examples), 1)}


def static_space_files(run: Run, page: Mapping[str, bytes], repo_id: str, license: str | None) -> dict[str, bytes]:
    """All files of a static Space, by name: those of a page, and what the Hub reads."""
    config = (run.folder / CONFIG).read_bytes()
    settings = {"sdk": "static", "app_file": INDEX}
    readme = _readme(repo_id, len(read_config(run.folder).vocab), license, STATIC, settings)
    return {**page, CONFIG: config, "README.md": readme.encode()}


def _readme(repo_id: str, classes: int, license: str | None, about: str, settings: Mapping[str, Any]) -> str:
    from huggingface_hub import SpaceCardData

    name = repo_id.rsplit("/", 1)[-1]
    front = SpaceCardData(
        title=name,
        **settings,
        models=[repo_id],
        license=license,
        emoji="📷",
        colorFrom="indigo",
        colorTo="gray",
        short_description=f"Which of {classes} classes does your photo show?",
    )
    return (
        f"---\n{front.to_yaml()}\n---\n\n# {name}\n\n"
        f"Drop a photo, paste one or take one, and see which of {classes} classes it shows, by the model "
        f"[{repo_id}](https://huggingface.co/{repo_id}).\n\n{about}\n"
    )


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        raise BadInput(
            f"A Space uses the version of {package!r} that is installed here, but it is not installed; install it."
        ) from None
