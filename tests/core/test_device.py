"""The device is asked for in one place, which says what there is and what each can do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core.__main__ import main
from core.device import KINDS, VARIABLE, available, choose, out_of_memory
from core.errors import BadInput
from core.events import RunEnded, drain
from core.recipe import Recipe
from core.runs.run import Run
from core.runs.train import train

ROOT = Path(__file__).resolve().parents[2]
ASKS = re.compile(r"device\.type\b|\.is_cuda\b|\.is_mps\b|torch\.(cuda|mps|xpu)\b|backends\.mps")


def test_no_other_file_asks_for_the_type_of_a_device() -> None:
    files = [*(ROOT / "core").rglob("*.py"), *(ROOT / "plugins").rglob("*.py"), ROOT / "app.py"]
    asking = {f.relative_to(ROOT).as_posix() for f in files if ASKS.search(f.read_text(encoding="utf-8"))}
    assert asking == {"core/device.py"}


def test_an_absent_device_is_refused_with_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert choose().torch.type == available()[0] and choose(" CPU ").torch == torch.device("cpu")
    for name in ("cuda:77", "tpu", ""):
        with pytest.raises(BadInput, match=rf"^There is no device '{name}' here; there are: .*cpu\.$"):
            choose(name)
    monkeypatch.setenv(VARIABLE, "abacus")
    with pytest.raises(BadInput, match="'abacus'"):
        choose()
    assert choose("cpu").host, "a device by name is that device, whatever the environment says"


def test_precisions_are_those_of_the_device() -> None:
    device = choose(torch.device("cpu"))
    assert device.precision() == "fp32" and device.precision("bf16") == "bf16"
    with pytest.raises(BadInput, match=r"'fp16', but meta computes in fp32; choose one of these, or auto\.$"):
        choose(torch.device("meta")).precision("fp16")
    assert set(KINDS) == {"cuda", "mps", "cpu"}


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (MemoryError(), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 18.09 GB)"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("can't allocate memory"), False),
    ],
)
def test_what_is_taken_for_a_lack_of_memory(error: Exception, is_one: bool) -> None:
    assert out_of_memory(error) == is_one


def test_torch_itself_says_that_the_cpu_has_no_memory() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60)
    assert out_of_memory(caught.value)


def test_a_run_on_an_absent_device_or_precision_is_refused_before_a_photo_is_read(
    recipe_dict: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """`--device` goes before the environment, and that before the recipe."""
    monkeypatch.setenv(VARIABLE, "cpu")  # and restored afterwards, as the command sets it
    monkeypatch.setattr("core.runs.plan.examine", None)
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps(recipe_dict({"device": "cuda:9"})))
    train = ["train", str(recipe), "--workspace", str(tmp_path)]
    assert main([*train, "--device", "abacus"]) == 2
    assert "There is no device 'abacus' here; there are: " in capsys.readouterr().err
    monkeypatch.delenv(VARIABLE)
    assert main(train) == 2 and "'cuda:9'" in capsys.readouterr().err


def test_compiling_without_a_compiler_is_refused_before_photos_are_read(
    recipe_dict: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    run = Run.create(Recipe.from_dict(recipe_dict({"compile": True})), tmp_path)
    with pytest.raises(BadInput, match=r"needs a C\+\+ compiler, .* no-such-compiler here; .* training.compile"):
        drain(train(run))
    assert [type(event) for event in run.events()] == [RunEnded]
