"""The command about plugins, and how an option is described."""

from __future__ import annotations

import argparse
import json

from core.commands.command import command
from core.discovery import discover
from core.registry import Param, registries


@command("plugins")
def plugins(args: argparse.Namespace) -> None:
    """List every plugin with its options, and the plugins that could not be loaded."""
    for kind, registry in registries.items():
        if any(registry):  # panels are not, as only the app imports them
            print(kind)
        for entry in registry:
            print(f"  {entry.name:<22} {entry.help}  [{entry.module}]")
            for p in entry.params:
                print(f"      {option(p)}")
    for name, reason in discover().failures.items():
        print(f"not loaded: {name}: {reason}")


def option(p: Param) -> str:
    """An option on one line: its type, limits, default and help."""
    default = "required" if p.required else f"default {json.dumps(p.default, default=str)}"
    limits = f", {p.range.low:.10g} to {p.range.high:.10g}" if p.range else ""
    return f"{p.name}: {p.kind}{limits}, {default}{f'. {p.help}' if p.help else ''}"
