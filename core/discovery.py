"""Discovery of plugins: modules in plugins/<kind>/ and entry points `presize.<kind>` of installed packages."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from core.registry import registries

PLUGINS = Path(__file__).resolve().parent.parent / "plugins"


@dataclass(frozen=True)
class Discovery:
    """The plugin modules that were imported, and the errors of the others by name."""

    modules: tuple[ModuleType, ...]
    failures: dict[str, str]


def discover(panels: bool = False) -> Discovery:
    """Import every plugin once, with `panels` also those that need gradio; failures are listed, never fatal."""
    importlib.import_module("plugins")  # it calls discover() itself, so it must be imported first
    return _discover(panels)


@cache
def _discover(panels: bool) -> Discovery:
    modules: list[ModuleType] = []
    failures: dict[str, str] = {}
    for kind in registries:
        if kind == "panels" and not panels:
            continue
        files = sorted((PLUGINS / kind).glob("*.py"))
        names = {f"plugins.{kind}.{f.stem}": f"plugins.{kind}.{f.stem}" for f in files if f.stem != "__init__"}
        names |= {f"{e.name} of {e.value}": e.module for e in entry_points(group=f"presize.{kind}")}
        for label, name in names.items():
            try:
                modules.append(importlib.import_module(name))
            except (Exception, SystemExit) as error:  # a plugin can be third-party code
                sys.modules.pop(name, None)
                registries[kind].discard(name)
                failures[label] = f"{type(error).__name__}: {error}"
    return Discovery(tuple(modules), failures)
