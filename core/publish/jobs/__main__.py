"""What the rented machine runs: the run, as a process; its events go to the job's log, and its files to the Hub."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.errors import BadInput
from core.events import Notice, RunEnded
from core.hub import with_retries
from core.publish.jobs.agreed import BACK, HERE, spare
from core.runs.run import Run
from core.runs.start import start
from core.runs.stop_signals import REQUESTS, STOP

PAUSE = 0.2  # seconds between two looks at the events
POLL = 5.0  # seconds between two looks for requests
KEPT_EVERY = 300.0  # seconds between two checkpoints that are sent
LOG = 2000  # characters of a failed training's log that are shown


class Mirror:
    """A run whose events are printed and whose files are sent to a data set."""

    def __init__(self, run: Run, repo: str) -> None:
        from huggingface_hub import HfApi

        self.run, self.repo = run, repo
        self.api: Any = HfApi(library_name="presize")
        lines, self.position = run.lines(0)
        self.count = len(lines)
        self._asked = self._kept = time.monotonic()
        self._sending: Future[Any] | None = None

    def show(self) -> None:
        """Print the events since the last call."""
        lines, self.position = self.run.lines(self.position)
        for line in lines:
            print(f"presize-event {self.count} {line.decode()}", flush=True)
            self.count += 1

    def ask(self) -> None:
        """Pass on requests to stop, to keep the best model or to finish early."""
        if time.monotonic() - self._asked < POLL:
            return
        self._asked = time.monotonic()
        for name in REQUESTS:
            with suppress(Exception):  # of the network or the Hub, which is asked again
                if self.api.file_exists(self.repo, name, repo_type="dataset"):
                    (self.run.folder / name).touch()

    def keep(self) -> None:
        """Send the files so far in the background, so that a machine that goes away loses minutes."""
        if time.monotonic() - self._kept > KEPT_EVERY and (self._sending is None or self._sending.done()):
            self._kept = time.monotonic()
            self._sending = self._send(run_as_future=True)

    def send(self) -> None:
        """Send all files; raises BadInput."""
        if self._sending is not None:
            with suppress(Exception):  # all is sent again now
                self._sending.result()
        with_retries(self.repo, self._send)

    def _send(self, **how: Any) -> Any:
        return self.api.upload_folder(
            repo_id=self.repo,
            repo_type="dataset",
            folder_path=self.run.folder,
            path_in_repo=BACK,
            ignore_patterns=HERE,
            delete_patterns="checkpoint/*",
            **how,
        )


def main() -> int:
    """Continue the run of the workspace in the current folder; returns 0 if its end is known and its files are sent."""
    parser = argparse.ArgumentParser("python -m core.publish.jobs", description=__doc__)
    parser.add_argument("repo", help="the data set that gets the files")
    parser.add_argument("run", help="the name of the run")
    parser.add_argument("seconds", type=float, help="the time limit of the job")
    parser.add_argument("spent", type=float, help="how much of it has passed")
    parser.add_argument("--finish-after", type=float)
    parser.add_argument("--accept-changes", action="store_true")
    args = parser.parse_args()
    until = time.monotonic() + args.seconds - args.spent - spare(args.seconds)
    run = Run(Path("runs", args.run))
    mirror = Mirror(run, args.repo)
    try:
        start(run, queue=False, accept_changes=args.accept_changes, seconds=args.finish_after)
    except BadInput as error:
        print(f"error: {error}", flush=True)
    while run.is_alive:
        mirror.show()
        mirror.ask()
        mirror.keep()
        if time.monotonic() > until:
            (run.folder / STOP).touch()
        time.sleep(PAUSE)
    mirror.show()
    if not (ended := isinstance(last := run.last_event, RunEnded)):
        print((run.folder / "log.txt").read_text(errors="replace")[-LOG:], flush=True)
        refused = last.message.removeprefix("not resumed: ") if isinstance(last, Notice) else ""
        print(f"error: {refused or run.why_interrupted or 'The process of the training was killed.'}", flush=True)
    try:
        mirror.send()
    except BadInput as error:
        print(f"error: {error}", flush=True)
        return 2
    return 0 if ended else 2


if __name__ == "__main__":
    sys.exit(main())
