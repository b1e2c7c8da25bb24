"""Plugins come from the folder plugins/ and from installed packages; one that fails is listed, never fatal."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import site
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core import discovery
from core.discovery import discover
from core.registry import Registry, registries

ROOT = Path(__file__).resolve().parents[2]
NAME = "presize_first_letter"
PACKAGE = {
    f"{NAME}/__init__.py": "",
    f"{NAME}/labels.py": '''
from typing import Annotated

from core.registry import labellers


@labellers.register("first_letter")
class FirstLetter:
    """The first letters of the file name."""

    def __init__(self, count: Annotated[int, "How many letters"] = 1) -> None:
        self.count = count

    def __call__(self, path):
        return path.name[: self.count]
''',
    f"{NAME}/nets.py": '''
from typing import Annotated

from torch import nn

from core.model.architecture import Architecture
from core.model.head import Classifier
from core.registry import architectures


@architectures.register("colours")
def colours(num_classes: int, /, width: Annotated[int, "Channels"] = 8) -> Architecture:
    """One convolution, and the mean of what it sees."""
    body = nn.Sequential(nn.Conv2d(3, width, 3, 2), nn.ReLU())
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes))
    return Architecture(Classifier(body, head), head, [list(body.parameters())])
''',
    f"{NAME}/camera.py": '''
from pathlib import Path
from typing import Annotated

from core.data.files import get_image_files
from core.data.proposals import Proposal
from core.registry import sources


@sources.register("webcam_folder")
class WebcamFolder:
    """The newest pictures that a webcam left in a folder."""

    looks_like = "camera:FOLDER"

    def __init__(self, workspace: Path, /, path: Annotated[Path, "Where the pictures lie"], newest: int = 8) -> None:
        self.root, self.newest = path, newest

    def __call__(self):
        return sorted(get_image_files(self.root))[-self.newest :]

    @classmethod
    def proposes(cls, text):
        if text.startswith("camera:"):
            yield Proposal({"path": text.removeprefix("camera:")}, 1)
''',
    f"{NAME}/broken.py": "import a_package_that_nobody_has\n",
    f"{NAME}/leaving.py": "raise SystemExit('goodbye')\n",
    f"{NAME}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {NAME.replace('_', '-')}\nVersion: 1.0\n",
    f"{NAME}-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{NAME}-1.0.dist-info/entry_points.txt": f"""[presize.labellers]
first_letter = {NAME}.labels
broken = {NAME}.broken

[presize.sources]
webcam_folder = {NAME}.camera

[presize.architectures]
colours = {NAME}.nets:colours
leaving = {NAME}.leaving
""",
}


def build_wheel(folder: Path) -> Path:
    """The package above as pip wants it, RECORD included."""
    record = f"{NAME}-1.0.dist-info/RECORD"
    rows = []
    wheel = folder / f"{NAME}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in PACKAGE.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            rows.append(f"{name},sha256={digest},{len(text.encode())}")
            archive.writestr(name, text)
        archive.writestr(record, "\n".join([*rows, f"{record},,", ""]))
    return wheel


Environment = Callable[..., subprocess.CompletedProcess[str]]
ANSWERS = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from core.__main__ import main

answers = sys.stdout
for line in sys.stdin:
    given, code = json.loads(line), 0
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        if given[0] == "-c":
            sys.argv = given[1:]
            exec(given[1], {})
        else:
            code = main(given)
    print(json.dumps([given, code, out.getvalue(), err.getvalue()]), file=answers, flush=True)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """`core` or `-c CODE` with arguments in a new virtual environment with the plugin package, installed by pip.

    One process answers all, as each would import torch.
    """
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True, timeout=120)
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "install", "--no-index", "--no-deps", build_wheel(folder)], check=True, timeout=120)
    ask = [python, "-c", "import site; print(site.getsitepackages()[-1])"]
    packages = subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip()
    Path(packages, "ours.pth").write_text("\n".join(site.getsitepackages()) + "\n")  # torch and the others

    command = [python, "-c", ANSWERS]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            assert process.stdin and process.stdout
            process.stdin.write(json.dumps(arguments) + "\n")
            process.stdin.flush()
            return subprocess.CompletedProcess(*json.loads(process.stdout.readline()))

        yield run


@pytest.fixture(scope="module")
def environment(python: Environment, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Runs `python -m core` there."""
    workspace = tmp_path_factory.mktemp("workspace")
    return lambda *arguments: python(*arguments, "--workspace", str(workspace))


@pytest.fixture(scope="module")
def listed(environment: Environment) -> str:
    """What `python -m core plugins` prints there."""
    done = environment("plugins")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_installed_package_is_listed_with_its_options(listed: str) -> None:
    assert f"first_letter           The first letters of the file name.  [{NAME}.labels]" in listed
    assert "count: a whole number, default 1. How many letters" in listed
    assert f"[{NAME}.nets]" in listed
    assert "[plugins.labellers.regex]" in listed  # and ours are still there


def test_a_failing_package_is_listed_and_not_fatal(listed: str) -> None:
    lines = [line for line in listed.splitlines() if line.startswith("not loaded: ")]
    assert len(lines) == 2
    assert "ModuleNotFoundError" in lines[0] and "a_package_that_nobody_has" in lines[0]
    assert f"{NAME}.broken" in lines[0]
    assert "SystemExit: goodbye" in lines[1] and f"{NAME}.leaving" in lines[1]


def test_an_installed_package_is_used_by_a_recipe(
    environment: Environment, recipe_dict: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.json"
    labeller, architecture = {"name": "first_letter", "count": 2}, {"name": "colours", "width": 4}
    recipe.write_text(json.dumps(recipe_dict(labeller=labeller, architecture=architecture)))
    done = environment("check", str(recipe))
    assert done.returncode == 0, done.stderr
    assert "24 photos, 3 classes" in done.stdout and "  bl  " in done.stdout
    warnings = [line for line in done.stderr.splitlines() if "not loaded" in line]
    assert len(warnings) == 1 and f"{NAME}.broken" in warnings[0] and "core plugins" in warnings[0]
    done = environment("train", str(recipe))
    assert done.returncode == 0, done.stderr
    run = Path(done.stdout.splitlines()[-1].removeprefix("run: "))
    assert json.loads((run / "classes.json").read_text()) == ["bl", "gr", "re"]
    assert json.loads((run / "config.json").read_text())["presize"]["architecture"] == architecture


def test_new_proposes_an_installed_source(
    environment: Environment, draw_photos: Callable[..., Path], tmp_path: Path
) -> None:
    photos = draw_photos(tmp_path / "photos", 6)
    done = environment("new", f"camera:{photos}")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["source"] == {"name": "webcam_folder", "path": str(photos)}
    done = environment("new", str(photos))
    assert json.loads(done.stdout)["source"] == {"name": "folder", "path": str(photos)}


TABS = """
import sys
from pathlib import Path

from app import build
from plugins.panels.kit.serving.mode import Mode

for kind in ("local", "shared"):
    for component in build(Mode(kind, Path(sys.argv[1]))).config["components"]:
        props = component["props"]
        print(kind, component["type"], props.get("elem_id"), props.get("label"), props.get("info"), sep=" | ")
"""


def test_an_installed_source_has_a_tab_with_a_form(python: Environment, tmp_path: Path) -> None:
    done = python("-c", TABS, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "local | tabitem | None | Webcam folder" in done.stdout
    assert "local | textbox | data-webcam_folder-path | Path | Where the pictures lie" in done.stdout
    assert "local | textbox | data-webcam_folder-newest | Newest" in done.stdout
    assert "local | button | data-webcam_folder" in done.stdout
    (field,) = (line for line in done.stdout.splitlines() if " | data-path | " in line)
    assert "camera:FOLDER" in field
    assert "shared | tabitem | None | Sample" in done.stdout
    assert "shared | tabitem | None | Webcam folder" not in done.stdout, "it does not say that it is for visitors"


def test_without_the_package_its_names_are_unknown(
    recipe_dict: Callable[..., dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from core.__main__ import main

    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps(recipe_dict(labeller={"name": "first_letter"})))
    assert main(["check", str(recipe), "--workspace", str(tmp_path)]) == 2
    assert "no 'first_letter' among the labellers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("sources", {"folder", "zip", "sample", "pets"}),
        ("labellers", {"regex", "folder", "csv"}),
        ("splitters", {"random", "stratified", "grandparent", "file"}),
        ("transforms", {"resize", "random_resized_crop", "aug_transforms"}),
        ("architectures", {"efficientnet_lite0", "timm", *(f"resnet{n}" for n in (18, 34, 50, 101, 152))}),
    ],
)
def test_the_folder_brings_what_the_readme_promises(kind: str, names: set[str]) -> None:
    assert names <= {entry.name for entry in registries[kind]}


def test_ours_all_load_and_come_through_the_same_door() -> None:
    found = discover()
    assert found.failures == {}
    assert {m.__name__ for m in found.modules} >= {"plugins.labellers.regex", "plugins.architectures.timm"}
    for kind, registry in registries.items():
        for entry in registry:
            assert entry.module.startswith(f"plugins.{kind}.")
            assert entry.help, entry.name  # a sentence for the form and the list


def test_a_failing_file_of_the_folder_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own, so that nothing is written into ours."""
    folder = tmp_path / "plugins"
    (folder / "labellers").mkdir(parents=True)
    (folder / "labellers" / "zz_wrong.py").write_text("this is no Python\n")
    (folder / "labellers" / "zz_right.py").write_text("fine = True\n")
    monkeypatch.setattr(discovery, "PLUGINS", folder)
    package = __import__("plugins.labellers").labellers
    monkeypatch.setattr(package, "__path__", [str(folder / "labellers"), *package.__path__])
    found = discovery._discover.__wrapped__(False)  # not the remembered answer
    assert list(found.failures) == ["plugins.labellers.zz_wrong"]
    assert found.failures["plugins.labellers.zz_wrong"].startswith("SyntaxError: ")
    assert [m.__name__ for m in found.modules if "zz" in m.__name__] == ["plugins.labellers.zz_right"]
    assert "plugins.labellers.zz_wrong" not in sys.modules
    sys.modules.pop("plugins.labellers.zz_right")


def test_the_chapters_words_come_from_the_plugins() -> None:
    words: dict[str, Any] = {}
    exec("from plugins import *", words)
    assert {"RegexLabeller", "RandomSplitter", "Resize", "ResizeMethod", "RandomResizedCrop"} <= words.keys()
    assert {"aug_transforms", "resnet34", "efficientnet_lite0"} <= words.keys()
    assert words["RegexLabeller"] is registries["labellers"]["regex"].factory
    assert words["ResizeMethod"].Squish == "squish"


def test_a_name_is_registered_once() -> None:
    own: Registry[Any] = Registry("labellers")
    own.register("twice")(type("First", (), {}))
    with pytest.raises(ValueError, match="'twice' is already registered"):
        own.register("twice")(type("Second", (), {}))


def test_a_plugin_that_registers_and_then_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_a_plugin.py").write_text(
        "from core.registry import labellers\n\n\n"
        '@labellers.register("half")\ndef half():\n    """Half."""\n\n\n'
        'raise RuntimeError("the licence has ended")\n'
    )

    class Found:
        name, module, value = "half", "half_a_plugin", "half_a_plugin"

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(discovery, "PLUGINS", tmp_path)
    monkeypatch.setattr(discovery, "entry_points", lambda group: [Found] if group == "presize.labellers" else [])
    before = [entry.name for entry in registries["labellers"]]
    for _ in range(2):  # the second time it is not "already registered" either
        failures = discovery._discover.__wrapped__(False).failures
        assert list(failures.values()) == ["RuntimeError: the licence has ended"]
        assert [entry.name for entry in registries["labellers"]] == before
    assert "half_a_plugin" not in sys.modules
