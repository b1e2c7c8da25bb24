"""What this machine and a rented one have agreed on: the names of files in the data set, and lines of the job's log."""

from __future__ import annotations

import re

ARCHIVE = "presize.zip"  # what is sent: a workspace with the run, its photos, and the code
SENT = "sent"  # the folder in it with the photos and tables
BACK = "run"  # the folder of the data set that comes back as the run's
HERE = ["recipe.json", "labels.jsonl", "environment.json", "log.txt", "lock", "process.json", "stop", "finish", ".*"]
EVENT = re.compile(r"presize-event (\d+) (.*)")  # the number of an event in the events file, and its line
MAX_SPARE = 180.0  # seconds before the time limit at which the training stops, so that its files can be sent


def spare(seconds: float) -> float:
    """The seconds of a time limit that are kept for stopping and for sending files."""
    return min(MAX_SPARE, seconds / 5)
