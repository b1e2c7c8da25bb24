"""A room imports only from below; the command line never imports gradio, and helps before it imports torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "core").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))


@cache
def nodes(file: Path) -> list[ast.AST]:
    """Everything in a file."""
    return list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))


@cache
def imported(file: Path) -> tuple[str, ...]:
    """Every module that a file imports, anywhere in it."""
    found: list[str] = []
    for node in nodes(file):
        if isinstance(node, ast.Import):
            found += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            assert [a.name for a in node.names] != ["*"], f"{file}: a star import"
            found += [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(found)


def importing(files: Iterable[Path], *rooms: str) -> dict[str, list[str]]:
    """What these files import from there, by file."""
    found = {name(file): [module for module in imported(file) if within(module, *rooms)] for file in files}
    return {file: modules for file, modules in found.items() if modules}


def name(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts)


def within(module: str, *rooms: str) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


def test_there_is_something_to_walk() -> None:
    assert {"core.registry", "core.data.photo", "core.training.loop", "core.runs.run"} <= set(map(name, FILES))
    assert "core.data.photo" in imported(ROOT / "core/data/reading.py") and len(PLUGINS) > 15


def test_core_imports_neither_gradio_nor_plugins() -> None:
    assert importing(FILES, "gradio", "plugins", "app", "tests") == {}


REGISTRIES = {"sources", "labellers", "splitters", "transforms", "architectures"}
NAMING = {  # what fastai's own words stand for
    "core.data.image_data_loaders": {"folder", "regex", "grandparent"},
    "core.training.vision_learner": {"timm"},
}


def named(file: Path) -> Iterator[str]:
    """The plugins that a file names: `create("zip", ...)`, `sources["zip"]`, `{"name": "zip"}`, `== "zip"`."""
    for node in nodes(file):
        found: list[ast.expr | None] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "create":
            found = list(node.args[:1])
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) in REGISTRIES:
            found = [node.slice]
        elif isinstance(node, ast.Dict):
            found = [v for k, v in zip(node.keys, node.values, strict=True) if k and ast.unparse(k) == "'name'"]
        elif isinstance(node, ast.Compare) and "['name']" in ast.unparse(node.left):
            found = list(node.comparators)
        yield from (one.value for one in found if isinstance(one, ast.Constant) and isinstance(one.value, str))


def test_core_names_no_plugin() -> None:
    assert {name(file): found for file in FILES if (found := set(named(file)))} == NAMING


def test_plugins_import_gradio_in_panels_alone() -> None:
    assert importing((file for file in PLUGINS if "panels" not in file.parts), "gradio", "app", "tests") == {}


DOORS = {ROOT / f"plugins/panels/kit/project/{name}.py" for name in ("checked", "project")}
PANELS = [ROOT / "app.py", *(file for file in PLUGINS if "panels" in file.parts and file not in DOORS)]


def test_a_page_reaches_plugins_that_read_files_through_its_project() -> None:
    for file in PANELS:
        calls = (node.func for node in nodes(file) if isinstance(node, ast.Call))
        made = [f for f in calls if isinstance(f, ast.Attribute) and f.attr in ("build", "create", "factory")]
        assert {ast.unparse(f.value) for f in made} <= {"project", "transforms"}, f"{file}: these read no files"


OFFERED = {"core.runs.start", "core.as_python"}  # to programs and notebooks too


def test_core_has_nothing_that_only_pages_need() -> None:
    import core

    users = (file for file in (*FILES, *PLUGINS, ROOT / "app.py") if "panels" not in file.parts)
    used = {module for file in users for module in imported(file) if module != name(file)}
    unused = set(map(name, FILES)) - used - set(core._HOME.values()) - OFFERED
    assert {module for module in unused if not module.endswith(("__init__", "__main__"))} == set()


LOW = ("core.registry", "core.hints", "core.events", "core.errors", "core.atomic", "core.environment")
HUB = (*LOW, "core.hub")
RECIPE = (*HUB, "core.recipe", "core.settings", "core.discovery")
DATA = (*RECIPE, "core.lock", "core.device", "core.data")
MODEL = (*DATA, "core.model")
TRAINING = (*MODEL, "core.training")
INSIGHT = (*TRAINING, "core.insight")
RUNS = (*INSIGHT, "core.runs")
PUBLISH = (*RUNS, "core.publish")
BELOW = {"core.data": DATA, "core.model": MODEL, "core.training": TRAINING, "core.insight": INSIGHT, "core.runs": RUNS,
         "core.recipe": RECIPE, "core.discovery": ("core.registry",), "core.lock": LOW, "core.hub": HUB,
         "core.publish": PUBLISH, "core.commands": (*PUBLISH, "core.commands"), "core.as_python": (*LOW, "core.recipe"),
         "core.device": LOW, "core.settings": LOW,
         **dict.fromkeys(LOW, LOW)}  # fmt: skip


def test_a_room_imports_from_below_alone() -> None:
    for file in (f for f in FILES if within(name(f), *BELOW)):
        room = max((r for r in BELOW if within(name(file), r)), key=len)
        above = [m for m in imported(file) if within(m, "core") and not within(m, *BELOW[room]) and m != "core"]
        # `from core.data import photo` also reads as the package core.data itself, which is a room
        assert not above, file


def test_every_file_of_core_has_a_floor() -> None:
    assert {n for n in map(name, FILES) if not within(n, *BELOW)} == {"core.__init__", "core.__main__"}


@pytest.mark.parametrize("module", LOW)
def test_the_ground_floor_is_the_standard_library(module: str) -> None:
    file = ROOT / (module.replace(".", "/") + ".py")
    tops = {m.split(".")[0] for m in imported(file)} - {"core"}
    assert tops <= set(sys.stdlib_module_names)


DECODING = ("core.data.bounds", "core.data.colours", "core.data.decoder", "core.data.photo", "core.data.upright")


@pytest.mark.parametrize("module", DECODING)
def test_photos_take_pillow_and_numpy_alone(module: str) -> None:
    """The exporter copies these files into a Space, and no others that they could import."""
    file = ROOT / f"{module.replace('.', '/')}.py"
    found = {m for m in imported(file) if m != "core.data" and not within(m, *DECODING)}
    assert {m.split(".")[0] for m in found} - set(sys.stdlib_module_names) <= {"PIL", "numpy", "pillow_heif"}


def after(*statements: str) -> set[str]:
    """The modules that a fresh Python has imported after these statements."""
    code = "\n".join([*statements, "import sys", "print('MODULES', *sys.modules)"])
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split("MODULES", 1)[1].split())


HEAVY = {"torch", "torchvision", "timm", "gradio", "PIL", "numpy"}


def test_help_imports_nothing_heavy() -> None:
    modules = after(
        "import runpy, sys", "sys.argv = ['core', '--help']",
        "try: runpy.run_module('core', run_name='__main__')", "except SystemExit as end: assert end.code == 0",
    )  # fmt: skip
    assert "core.recipe" in modules and not modules & HEAVY


def test_looking_at_runs_and_starting_one_imports_nothing_heavy(tmp_path: Path) -> None:
    """A browser app does this in its own process, and a person who asks for a list does not wait."""
    modules = after(
        "from core.runs.start import start",
        "from core.runs.queue import Queue",
        "from core.training.progress import Progress",
        "from argparse import Namespace",
        "from pathlib import Path",
        "from core.commands import models, photos, plugins, runs",
        f"runs.runs(Namespace(workspace=Path({str(tmp_path)!r})))",
    )
    assert "core.runs.run" in modules and not modules & HEAVY


def test_core_itself_imports_nothing_until_a_word_is_used() -> None:
    assert not after("import core") & HEAVY
    modules = after("from core import *")
    assert "torch" in modules and "gradio" not in modules


def test_listing_plugins_imports_no_gradio() -> None:
    modules = after("from core.__main__ import main", "assert main(['plugins']) == 0")
    assert "plugins.labellers.regex" in modules and "gradio" not in modules


def test_the_words_of_core_take_a_person_from_photos_to_a_run() -> None:
    import core
    from core.runs.evaluate import evaluate
    from core.runs.start import start

    assert {"Recipe", "Run", "discover", "evaluate", "start"} <= set(core.__all__)
    assert core.evaluate is evaluate and core.start is start


def test_every_word_of_core_is_there() -> None:
    import core

    assert core.__all__ and all(getattr(core, word) is not None for word in core.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        core.nonsense  # noqa: B018
