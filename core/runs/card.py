"""The model card: training data, accuracy with its interval, limits and use of a model."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from core.data.corrections import Corrected
from core.data.photo import View
from core.errors import BadInput
from core.events import EpochEnded
from core.insight.calibration import described
from core.model.architecture import Architecture
from core.model.calibration import Calibration
from core.model.head import Classifier, ConcatPool
from core.model.strangers import Strangers
from core.recipe import LAST, Recipe
from core.registry import labellers, splitters
from core.runs.card_pictures import card_pictures
from core.runs.without_paths import without_paths
from core.training.best import Best
from core.training.interpretation import ClassificationInterpretation
from core.training.learner import Learner

if TYPE_CHECKING:  # huggingface_hub is slow to import
    from huggingface_hub import ModelCardData

TEMPLATE = Path(__file__).with_name("card.md")
NO_LICENSE = "none was given, so nobody may assume one"
ON_THE_HUB = {  # replacements in the card of a folder that is pushed as OWNER/NAME
    'load_learner("this_folder")': 'load_learner("OWNER/NAME")',
    'pipeline("image-classification", "this_folder")': 'pipeline("image-classification", "OWNER/NAME")',
    '"local-dir:this_folder"': '"hf-hub:OWNER/NAME"',
    "from safetensors.torch": "from huggingface_hub import hf_hub_download\nfrom safetensors.torch",
    '"this_folder/model.safetensors"': 'hf_hub_download("OWNER/NAME", "model.safetensors")',
}
MARKDOWN = re.compile(r"[\\`*<>|\[\]&~]|(?<![^\W_])_|_(?![^\W_])")  # `_` between letters is literal
METHODS = {
    "crop": "the largest centre crop of that shape",
    "pad": "the whole photo, padded",
    "squish": "the whole photo, squished",
}


@dataclass(frozen=True)
class Trained:
    """What a card describes: the model of the best epoch, all epochs, and its results on the validation photos."""

    recipe: Recipe
    learner: Learner
    best: Best
    epochs: Sequence[EpochEnded]
    results: ClassificationInterpretation  # calibrated
    calibration: Calibration
    strangers: Strangers | None = None
    corrected: Corrected = field(default_factory=Corrected)
    parent: str = ""  # the name of the run whose model was trained further


def card(trained: Trained) -> dict[str, str | bytes]:
    """The files of the card by name, README.md after its pictures."""
    from huggingface_hub import ModelCard

    recipe, learner, results, calibration = trained.recipe, trained.learner, trained.results, trained.calibration
    architecture, views = learner.task.architecture, learner.dls.valid.pipeline.views
    document, (low, high) = without_paths(recipe.to_dict()), results.interval
    drawn = card_pictures(results, trained.epochs, calibration)
    text = ModelCard.from_template(
        _front_matter(recipe, results, architecture),
        str(TEMPLATE),
        title=f"{_model(recipe)}, {len(results.vocab)} classes",
        classes=len(results.vocab),
        photos=len(learner.dls.train.items),
        n=len(results.targets),
        accuracy=f"{results.accuracy:.3f} (95 % interval {low:.3f} to {high:.3f})",
        model=_model(recipe),
        timm=architecture.timm,
        pretrained=architecture.pretrained,
        base=_base_model(recipe, architecture),
        input=_input(views),
        statistics=[architecture.mean, architecture.std],
        license=NO_LICENSE,
        made=[*_made(document), *trained.corrected.sentences(), *_parent(trained.parent)],
        options=recipe.training,
        epochs=len(trained.epochs),
        rows=list(_rows(results, Counter(learner.dls.train.targets))),
        confused=[(_text(a), _text(b), n) for a, b, n in results.most_confused(2)[:5]],
        pictures=list(drawn),
        calibration=described(calibration),
        strangers=trained.strangers,
        temperature=calibration.temperature,
        best=trained.best,
        chosen=_chosen(recipe),
        head=_head(architecture),
        widths=[part.in_features for part in architecture.head.modules() if isinstance(part, nn.Linear)],
        fit=_fit(views),
        fitting=_fitting(views),
        recipe=json.dumps(document, indent=2),
    )
    return {**drawn, "README.md": f"{text}\n"}


def hub_card(text: str, repo_id: str, license: str | None = None) -> str:
    """The card for a repository OWNER/NAME on the Hub, with a license if one is given; raises BadInput."""
    from huggingface_hub import ModelCard

    try:
        made = ModelCard(text)
    except Exception as error:  # a user may have edited the card
        line = " ".join(str(error).split())[:150]
        raise BadInput(
            f"The lines between --- at the top of README.md are not valid metadata ({line}); correct them."
        ) from None
    name = repo_id.rpartition("/")[2]
    if made.data.get("eval_results"):
        made.data["model_name"] = name
    made.text = re.sub("^# .*", f"# {name}", made.text, count=1, flags=re.MULTILINE)
    for here, there in ON_THE_HUB.items():
        made.text = made.text.replace(here, there.replace("OWNER/NAME", repo_id))
    if license:
        made.data["license"] = license
        made.text = made.text.replace(NO_LICENSE, _code(license))
    return str(made)


def _front_matter(recipe: Recipe, results: ClassificationInterpretation, architecture: Architecture) -> ModelCardData:
    from huggingface_hub import EvalResult, ModelCardData

    source = recipe.source
    result = EvalResult(
        task_type="image-classification",
        dataset_type="image-folder",
        dataset_name="own photos" if "path" in source else str(source.get("repo", source["name"])),
        dataset_split="validation",
        metric_type="accuracy",
        metric_value=round(results.accuracy, 4),
    )
    base = _base_model(recipe, architecture)
    return ModelCardData(
        library_name="timm"
        if _head(architecture) == "linear"
        else "presize",  # the Hub shows how that library loads it
        pipeline_tag="image-classification",
        tags=["image-classification", *(["timm"] if architecture.timm else []), "presize"],
        metrics=["accuracy"],
        model_name=_model(recipe),
        datasets=[source["repo"]] if "repo" in source else None,
        eval_results=[result],
        base_model=base,
        base_model_relation="finetune" if base else None,
    )


def _model(recipe: Recipe) -> str:
    return str(recipe.architecture.get("model", recipe.architecture["name"]))


def _base_model(recipe: Recipe, architecture: Architecture) -> str | None:
    """The Hub's name of the pretrained weights, which is known only if the recipe names a timm model."""
    if not (architecture.pretrained and architecture.timm and architecture.timm == recipe.architecture.get("model")):
        return None
    network: Any = architecture.model.body if isinstance(architecture.model, Classifier) else architecture.model
    return network.pretrained_cfg.get("hf_hub_id")  # type: ignore[no-any-return]


def _head(architecture: Architecture) -> str:
    """The head, linear or concat, if timm and torch alone can build the network, else ""."""
    if not architecture.timm:
        return ""
    if not isinstance(architecture.model, Classifier):
        return "linear"
    return "concat" if any(isinstance(part, ConcatPool) for part in architecture.head.children()) else ""


def _input(views: Sequence[View]) -> str:
    def text(view: View) -> str:
        part = f", of which the centre {view.crop_pct:.0%}" if view.crop_pct < 1 else ""
        return f"{view.size[1]} x {view.size[0]} pixels ({METHODS[view.method]}{part})"

    return ", then to ".join(map(text, views))


def _fit(views: Sequence[View]) -> tuple[int, int] | None:
    """The width and height with which Pillow's ImageOps.fit equals the views, or None if it does not."""
    plain = all(view.method == "crop" and view.crop_pct == 1 for view in views)
    height, width = views[-1].size
    return (width, height) if plain and _one_shape(views) else None


def _fitting(views: Sequence[View]) -> str:
    """How well timm's preprocessing matches the views: same, near or rough."""
    first, last = views[0], views[-1]
    if first.method == "pad" or not _one_shape(views):
        return "rough"
    return "near" if last.crop_pct < 1 else "same"


def _one_shape(views: Sequence[View]) -> bool:
    height, width = views[0].size
    return all(view.size[0] * width == view.size[1] * height for view in views)


def _made(document: dict[str, Any]) -> Iterator[str]:
    """Sentences about the labeller and the splitter with their options."""
    for kind, registry in (("labeller", labellers), ("splitter", splitters)):
        options = [f"{key} {_code(value)}" for key, value in document[kind].items() if key != "name"]
        name = document[kind]["name"]
        yield f"The {kind} was {', '.join([_code(name), *options])}: {registry[name].help}"


def _parent(name: str) -> list[str]:
    return [f"The training began with the model of the run {_code(name)}, on the same photos."] if name else []


def _rows(results: ClassificationInterpretation, trained: Counter[int]) -> Iterator[list[Any]]:
    for index, row in enumerate(results.per_class()):
        shares = ("" if row[k] is None else f"{row[k]:.2f}" for k in ("recall", "precision", "f1"))
        yield [_text(row["class"]), trained[index], row["n"], *shares]


def _chosen(recipe: Recipe) -> str:
    if recipe.training.best_by == LAST:
        return "the last; no epoch was chosen by its score"
    return f"chosen by its {recipe.training.best_by} on the same validation photos, which makes it look a little better"


def _text(name: str) -> str:
    """A name escaped for Markdown, on one line."""
    return " ".join(MARKDOWN.sub(r"\\\g<0>", name).split())


def _code(value: Any) -> str:
    """A value as inline code in Markdown, fenced by more backticks than it has in a row."""
    text = " ".join((value if isinstance(value, str) else json.dumps(value)).split())
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if "`" in text else f"{fence}{text}{fence}"
