"""The license of the weights that a model was trained from, which its own has to respect."""

from __future__ import annotations

from core.errors import BadInput
from core.model.file_names import CONFIG, read_json
from core.model.pretrained import pretrained_of
from core.runs.run import Run

PERMISSIVE = {"apache-2.0", "mit", "bsd-3-clause", "bsd-2-clause", "cc-by-4.0", "cc0-1.0"}
OTHER = "other"  # as the Hub calls terms that it has no name for


def weights_license(run: Run) -> str:
    """The license of the pretrained weights by their plugin or timm, "" if there are none or it is not said."""
    if run.recipe.architecture.get("pretrained") is False:
        return ""
    if (told := pretrained_of(run.recipe.architecture)) and told.license:
        return told.license
    import timm

    name = str(run.recipe.architecture.get("model") or read_json(run.folder / CONFIG)["architecture"])
    config = timm.get_pretrained_cfg(name, allow_unregistered=True)
    return (config and config.license) or ""


def check_license(run: Run, license: str) -> str:
    """A sentence about the license of the pretrained weights where it has terms, else ""; raises BadInput.

    A model from such weights may only be given their license, `other` or none.
    """
    theirs = weights_license(run)
    if not theirs or theirs in PERMISSIVE:
        return ""
    if license not in ("", OTHER, theirs):
        raise BadInput(
            f"The weights that this model was trained from are under {theirs}, which {license} may not replace; "
            f"give --license {theirs} or {OTHER}, or train another architecture."
        )
    return f"The weights that this model was trained from are under {theirs}; read its terms before you publish it."
