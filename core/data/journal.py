"""The journal of a workspace: what people said about photos, one line an act, each of which can be undone."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.atomic import disk_error, make_folder, open_own, sync_folder
from core.data.content import DIGITS
from core.data.corrections import Act, Corrections, line_of
from core.data.split import LONGEST_LABEL
from core.errors import BadInput, quoted

NAME = "journal.jsonl"
LONGEST_NAME = 100  # characters of who said it
CONTENT = re.compile(f"[0-9a-f]{{{DIGITS}}}")


class Journal:
    """The journal of a workspace, to which several processes may append; photos are named by their content.

    An act on many photos is one line, so it is kept, lost and undone as a whole. A line that was written only partly,
    as its process was killed, is ignored. `by` is who acts, or "". All methods raise BadInput.
    """

    def __init__(self, workspace: Path, by: str = "") -> None:
        self.path, self.by = workspace / NAME, by[:LONGEST_NAME]
        self._position, self._read, self._tail = 0, list[Act](), list[Act]()
        self._seen: tuple[int, ...] = ()
        self._corrections: Corrections | None = None

    def label(self, contents: Iterable[str], label: str | None, right: bool = False) -> None:
        """Label photos, or take their label away; if it is `right`, it is not questioned again."""
        self._append(
            "label",
            photos=_photos(contents),
            label="" if label is None else _label(label),
            **({"right": True} if right else {}),
        )

    def leave_out(self, contents: Iterable[str]) -> None:
        """Leave photos out of training and validation."""
        self._append("leave_out", photos=_photos(contents))

    def leave_out_of_training(self, contents: Iterable[str]) -> None:
        """Leave photos out of training, but not of validation, such as those with a copy there."""
        self._append("leave_out_of_training", photos=_photos(contents))

    def take_back(self, contents: Iterable[str]) -> None:
        """Use photos again that were left out."""
        self._append("take_back", photos=_photos(contents))

    def right(self, contents: Iterable[str]) -> None:
        """Say that the labels of photos are right, so that they are not questioned again."""
        self._append("right", photos=_photos(contents))

    def same(self, first: str, second: str) -> None:
        """Say that two photos are the same."""
        self._append("same", photos=_photos((first, second)))

    def rename(self, old: str, new: str) -> None:
        """Rename a label, or merge it into another; what the labeller finds later is renamed too."""
        if _label(old) != _label(new):
            self._append("rename", labels={_label(old): _label(new)})

    def labels(self, labels: Mapping[str, str], left_out: Iterable[str] = ()) -> None:
        """Give each photo its own label and leave others out, as one act."""
        by_label: dict[str, list[str]] = {}
        for content, label in labels.items():
            by_label.setdefault(label and _label(label), []).append(content)
        acts: list[dict[str, Any]] = [
            {"act": "label", "label": label, "photos": _photos(contents)} for label, contents in by_label.items()
        ]
        if out := list(left_out):
            acts.append({"act": "leave_out", "photos": _photos(out)})
        if acts:
            self._append("several", acts=acts)

    def undo(self) -> Act | None:
        """Undo the last act; returns it, or None if there is none."""
        return self._step("undo", self._stacks()[0])

    def redo(self) -> Act | None:
        """Do again what was undone last, unless something else was done since; returns it or None."""
        return self._step("redo", self._stacks()[1])

    @property
    def corrections(self) -> Corrections:
        """The corrections in force."""
        self._refresh()
        if self._corrections is None:
            done = _stacks([*self._read, *self._tail])[0]
            self._corrections = Corrections.of(each for act in done for each in act.get("acts", (act,)))
        return self._corrections

    def _step(self, what: str, acts: list[Act]) -> Act | None:
        if not acts:
            return None
        self._append(what, of=acts[-1]["id"])
        return acts[-1]

    def _stacks(self) -> tuple[list[Act], list[Act]]:
        """The acts that are done, and those that can be redone, the last one first in turn."""
        self._refresh()
        return _stacks([*self._read, *self._tail])

    def _append(self, act: str, **what: Any) -> None:
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        said = {"act": act, **what, "id": secrets.token_hex(6), "at": now} | ({"by": self.by} if self.by else {})
        line = line_of(said).encode()
        try:
            make_folder(self.path.parent)
            is_new = not self.path.exists()
            handle = open_own(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            try:
                if os.fstat(handle).st_size and os.lseek(handle, -1, os.SEEK_END) >= 0 and os.read(handle, 1) != b"\n":
                    line = b"\n" + line  # ends the line of a process that was killed; an empty line is ignored
                if os.write(handle, line) < len(line) - 1:  # without its end a line is whole
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(handle)
            finally:
                os.close(handle)
            if is_new:
                sync_folder(self.path.parent)
        except OSError as error:
            raise disk_error(self.path, error) from error

    def _refresh(self) -> None:
        """Read what was appended since, if anything was."""
        seen: tuple[int, ...] = ()
        content = b""
        try:
            handle = open_own(self.path, os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise BadInput(f"{str(self.path)!r} cannot be read: {error.strerror or error}.") from None
        else:
            with os.fdopen(handle, "rb") as file:
                about = os.fstat(file.fileno())
                seen = about.st_ino, about.st_size, about.st_mtime_ns
                if seen == self._seen:
                    return
                if self._seen[:1] != seen[:1] or about.st_size < self._position:  # another file
                    self._position, self._read = 0, []
                file.seek(self._position)
                content = file.read()
        if not seen:
            self._position, self._read = 0, []
        whole = content.rfind(b"\n") + 1
        self._read += acts_of(content[:whole])
        self._tail = acts_of(content[whole:])
        self._position += whole
        if seen != self._seen:
            self._seen, self._corrections = seen, None


def acts_of(content: bytes) -> list[Act]:
    """The acts in lines of JSON; damaged lines, and lines of a later version, are ignored."""
    acts = []
    for line in content.splitlines():
        with suppress(ValueError, RecursionError):
            act = json.loads(line)
            if _is_act(act):
                acts.append(act)
    return acts


def _stacks(acts: Iterable[Act]) -> tuple[list[Act], list[Act]]:
    done: dict[str, Act] = {}
    undone: dict[str, Act] = {}
    for act in acts:
        if act["act"] == "undo":
            undone |= {key: done.pop(key) for key in (act["of"],) if key in done}
        elif act["act"] == "redo":
            done |= {key: undone.pop(key) for key in (act["of"],) if key in undone}
        else:
            undone.clear()
            done[act.get("id", str(len(done)))] = act
    return list(done.values()), list(undone.values())


def _is_act(act: Any) -> bool:
    match act:
        case {"act": "label", "label": str(), "photos": list(photos)}:
            return all(map(_is_content, photos))
        case {"act": "leave_out" | "leave_out_of_training" | "take_back" | "right", "photos": list(photos)}:
            return all(map(_is_content, photos))
        case {"act": "same", "photos": [one, other]}:
            return _is_content(one) and _is_content(other)
        case {"act": "rename", "labels": dict(labels)}:
            return all(isinstance(new, str) and new for new in labels.values())
        case {"act": "several", "acts": list(acts)}:
            return all(_is_act(each) and each["act"] in ("label", "leave_out") for each in acts)
        case {"act": "undo" | "redo", "of": str()}:
            return True
    return False


def _is_content(text: Any) -> bool:
    return isinstance(text, str) and bool(CONTENT.fullmatch(text))


def _photos(contents: Iterable[str]) -> list[str]:
    photos = list(dict.fromkeys(contents))
    if not photos:
        raise BadInput("No photo was given; choose at least one.")
    for photo in photos:
        if not _is_content(photo):
            raise BadInput(f"{quoted(photo)} is not the hash of a photo's content, which has {DIGITS} digits.")
    return photos


def _label(label: str) -> str:
    text = " ".join(label.split())
    if not 0 < len(text) <= LONGEST_LABEL:
        raise BadInput(f"{quoted(text)} is not a label; give one of 1 to {LONGEST_LABEL:,} characters.")
    return text
