"""The files of a Space that shows a run's model: a small page and the model as ONNX, without torch."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from core.data.decoder import ROOT
from core.errors import BadInput
from core.model.doubt import doubt_files
from core.model.file_names import CONFIG
from core.model.folder import read_config
from core.model.hashes import check_hashes
from core.publish.hub import Hardware
from core.publish.onnx import ONNX, onnx_is_current
from core.publish.sample import examples_of
from core.runs.run import Run

APP = Path(__file__).parent / "space" / "app.py.txt"  # .txt, as the engine must not import it
DECODING = tuple(
    f"core/data/{name}.py" for name in ("bounds", "colours", "decoder", "photo", "upright")
)  # with Pillow and NumPy alone
REQUIREMENTS = ("onnxruntime", "pillow", "numpy", "pillow-heif")


def space_files(run: Run, repo_id: str, hardware: Hardware, license: str | None, examples: int) -> dict[str, bytes]:
    """All files of a Space for the model `repo_id`, by name; raises BadInput if the run has no current model.onnx.

    `examples` is the number of correctly predicted validation photos to include, without their names and metadata.
    """
    check_hashes(run.folder)
    if not onnx_is_current(run):
        raise BadInput(f"{run.name!r} has no {ONNX} of its current model; export it first.")
    classes = len(read_config(run.folder).vocab)
    pins = [f"{package}=={_installed(package)}" for package in REQUIREMENTS]
    files = {
        "README.md": _readme(repo_id, classes, license).encode(),
        "app.py": APP.read_bytes(),
        **{name: (ROOT / name).read_bytes() for name in DECODING},
        CONFIG: (run.folder / CONFIG).read_bytes(),
        ONNX: (run.folder / ONNX).read_bytes(),
        **{name: (run.folder / name).read_bytes() for name in doubt_files(run.folder)},
        "requirements.txt": "\n".join([*pins, *(["spaces"] if hardware == "zero-gpu" else []), ""]).encode(),
    }
    return files | {f"examples/{i}.jpg": example for i, example in enumerate(examples_of(run, examples), 1)}


def _readme(repo_id: str, classes: int, license: str | None) -> str:
    from huggingface_hub import SpaceCardData

    name = repo_id.rsplit("/", 1)[-1]
    front = SpaceCardData(
        title=name,
        sdk="gradio",
        sdk_version=_installed("gradio"),
        python_version="{}.{}".format(*sys.version_info),
        app_file="app.py",
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
        f"[{repo_id}](https://huggingface.co/{repo_id}).\n\n"
        "`core/data` prepares a photo exactly as in validation, and `model.onnx` gives the same predictions as the "
        "model itself; `config.json` has the settings of both. Visitors' photos are deleted within an hour.\n"
    )


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        raise BadInput(
            f"A Space uses the version of {package!r} that is installed here, but it is not installed; install it."
        ) from None
