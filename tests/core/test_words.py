"""The words that `from core import *` and `from plugins import *` give a notebook."""

from __future__ import annotations

import copy
import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import core
from core.errors import BadInput
from core.training import not_offered
from core.training.not_offered import OF_A_LEARNER, NotOffered

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = sorted(name for name, value in vars(not_offered).items() if isinstance(value, NotOffered))
WORDS = """Path partial torch tensor np nn F PILImage show_image verify_images ImageDataLoaders DataBlock ImageBlock
    CategoryBlock get_image_files using_attr ColReader ColSplitter IndexSplitter FuncSplitter Learner vision_learner
    cnn_learner load_learner CrossEntropyLossFlat ClassificationInterpretation accuracy error_rate minimum steep valley
    RandomSplitter GrandparentSplitter RegexLabeller parent_label Resize ResizeMethod PadModes RandomResizedCrop
    aug_transforms resnet18 resnet34 resnet50 resnet101 resnet152"""


@pytest.fixture(scope="module")
def notebook() -> dict[str, Any]:
    words: dict[str, Any] = {}
    exec("from core import *\nfrom plugins import *", words)
    return words


def test_the_words_of_the_chapters_are_there(notebook: dict[str, Any]) -> None:
    assert not set(WORDS.split()) - set(notebook)


def test_the_libraries_are_themselves(notebook: dict[str, Any]) -> None:
    assert (notebook["np"], notebook["torch"], notebook["nn"]) == (np, torch, torch.nn)
    assert notebook["F"] is torch.nn.functional and notebook["Path"] is Path


@pytest.mark.parametrize("word", LEFT_OUT)
def test_a_word_that_is_left_out_says_what_to_write(word: str, notebook: dict[str, Any]) -> None:
    assert word in core.__all__
    for use in (lambda: notebook[word](3), lambda: notebook[word].from_stats([1])):
        with pytest.raises(BadInput, match=rf"^{word} is not offered: .+\.$"):
            use()
    assert copy.copy(notebook[word]) is not None and not hasattr(notebook[word], "_repr_html_"), "looked at, not used"


def table() -> dict[str, str]:
    """The table of differences in core/README.md: what is written in fastai, and here."""
    part = (ROOT / "core" / "README.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| (.+?) \| (.+) \|$", part, re.MULTILINE))


@pytest.mark.parametrize("word", [*LEFT_OUT, *OF_A_LEARNER, "to_fp16"])
def test_a_word_that_is_left_out_is_in_the_table(word: str) -> None:
    assert any(re.search(rf"\b{word}\b", theirs) for theirs in table())


def test_star_imports_bring_no_page() -> None:
    code = "from core import *; import sys; print([m for m in ('gradio', 'pandas', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_plugins_hide_no_word() -> None:
    assert not set(importlib.import_module("plugins").__all__) & set(core.__all__)
