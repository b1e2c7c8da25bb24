"""The process that looks at all photos of a project: python -m plugins.panels.kit.insight.look FOLDER."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from threading import Thread

from core.atomic import write_atomic
from core.discovery import discover
from core.errors import BadInput
from core.events import WithResult
from core.lock import ProcessLock

ASKED, PROGRESS, RESULT, LOCK = "asked.json", "progress.json", "result.json", "lock"


def main(folder: Path) -> int:
    """Look at the photos that `asked.json` lists, and write what is found into `result.json`; returns the exit code."""
    lock = ProcessLock(folder / LOCK)
    if not lock.take():  # another process is at it
        return 0
    lock.announce()
    with suppress(AttributeError, OSError):  # pages and training go first
        os.nice(19)
    from plugins.panels.kit.insight.findings import findings  # imports torch, which takes seconds

    discover()
    asked = json.loads((folder / ASKED).read_text(encoding="utf-8"))
    try:
        steps = WithResult(findings(asked, folder.parent))
        for event in steps:
            write_atomic(folder / PROGRESS, json.dumps([event.done, event.total]))
        found = steps.result
    except BadInput as error:
        found = {"error": str(error)}
    write_atomic(folder / RESULT, json.dumps({"key": asked["key"], "labels": asked["version"], **found}))
    return 0


def end_with_parent() -> None:
    """End this process when its stdin is closed: nobody waits for the answer any more."""

    def wait() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    end_with_parent()
    sys.exit(main(Path(sys.argv[1])))
