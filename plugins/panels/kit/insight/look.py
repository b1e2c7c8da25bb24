"""The process that looks at all photos of a project: python -m plugins.panels.kit.insight.look FOLDER."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from threading import Timer
from typing import Any

from core.atomic import write_atomic
from core.discovery import discover
from core.errors import BadInput
from core.events import WithResult
from core.lock import ProcessLock
from plugins.panels.kit.insight.process import stay_behind

ASKED, PROGRESS, RESULT, LOCK = "asked.json", "progress.json", "result.json", "lock"


def main(folder: Path) -> int:
    """Look at the photos that `asked.json` lists, and write what is found into `result.json`; returns the exit code."""
    lock = ProcessLock(folder / LOCK)
    if not lock.take():  # another process is at it
        return 0
    lock.announce()
    from plugins.panels.kit.insight.findings import findings  # imports torch, which takes seconds

    discover()
    asked = json.loads((folder / ASKED).read_text(encoding="utf-8"))
    if asked["seconds"]:
        timer = Timer(asked["seconds"], _give_up, [folder, asked])
        timer.daemon = True
        timer.start()
    try:
        steps = WithResult(findings(asked, folder.parent))
        for event in steps:
            write_atomic(folder / PROGRESS, json.dumps([event.done, event.total]))
        found = steps.result
    except BadInput as error:
        found = {"error": str(error)}
    write_atomic(folder / RESULT, json.dumps(answer_about(asked, found)))
    return 0


def answer_about(asked: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """The document of what was found, with the photos and labels that it is about."""
    return {"key": asked["key"], "labels": asked["version"], **found}


def _give_up(folder: Path, asked: Mapping[str, Any]) -> None:
    """End this process, whatever it does; the features that it has extracted stay."""
    why = f"These photos take more than {asked['seconds'] / 60:.0f} minutes to compare; look again to go on."
    write_atomic(folder / RESULT, json.dumps(answer_about(asked, {"labels": None, "error": why})))
    os._exit(1)


if __name__ == "__main__":
    stay_behind()
    sys.exit(main(Path(sys.argv[1])))
