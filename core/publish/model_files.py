"""The files of a run that are published: the model and its card, without paths or names of photos."""

from __future__ import annotations

import json
from pathlib import Path

from core.model.doubt import doubt_files
from core.model.hashes import check_hashes
from core.publish.fetch import FILES
from core.publish.onnx import ONNX, onnx_is_current
from core.runs.card import hub_card
from core.runs.run import Run
from core.runs.without_paths import without_paths

PICTURES = ("confusion.png", "curves.png", "reliability.png")


def model_files(run: Run, repo: str = "", license: str = "") -> dict[str, bytes | Path]:
    """The files of a repository OWNER/NAME on the Hub, or of a download; raises BadInput if the model is damaged."""
    check_hashes(run.folder)
    more = [name for name in PICTURES if (run.folder / name).is_file()]
    more += doubt_files(run.folder)
    if onnx_is_current(run):
        more.append(ONNX)
    files: dict[str, bytes | Path] = {name: run.folder / name for name in (*FILES, *more)}
    files["recipe.json"] = json.dumps(without_paths(run.recipe.to_dict()), indent=2).encode()
    card = run.read("README.md")
    files["README.md"] = (hub_card(card, repo, license or None) if repo else card).encode()
    return files
