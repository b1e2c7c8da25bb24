"""The journal: what people say is kept by content, undone act by act, and survives kills and other processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.data.corrections import Corrections
from core.data.journal import NAME, Journal
from core.errors import BadInput
from tests.cpu import takes_at_most

A, B, C = (digit * 24 for digit in "abc")
KILLS = """
import os, signal, sys
from pathlib import Path
from core.data.journal import Journal

def label_until(boundary, workspace, tell):  # the process ends at that boundary of a write
    write, fsync, passed = os.write, os.fsync, 0
    def here():
        nonlocal passed
        if passed == boundary:
            os.kill(os.getpid(), signal.SIGKILL)
        passed += 1
    def torn(handle, line):
        here()
        if passed == boundary:
            write(handle, line[: 1 + 7 * boundary % (len(line) - 1)])
        here()
        done = write(handle, line)
        here()
        return done
    def synced(handle):
        fsync(handle)
        here()
    os.write, os.fsync = torn, synced
    for n in range(boundary + 1):
        Journal(workspace).label([f"{n:024x}"], "cat")
        write(tell, b".")

for boundary in range(int(sys.argv[2])):
    workspace = Path(sys.argv[1], str(boundary))
    workspace.mkdir()
    reader, writer = os.pipe()
    if not (process := os.fork()):
        label_until(boundary, workspace, writer)
        os._exit(0)
    assert os.waitpid(process, 0)[1] == signal.SIGKILL
    os.close(writer)
    (workspace / "said").write_text(str(len(os.fdopen(reader, "rb").read())))
"""


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """An empty journal."""
    return Journal(tmp_path / "workspace", by="Ada")


def test_labels_are_read_through_it(journal: Journal) -> None:
    assert not journal.corrections
    journal.label([A, B], "  cat ")
    journal.label([B], None)
    journal.leave_out([C])
    journal.right([A])
    journal.same(C, A)
    found = Journal(journal.path.parent).corrections
    assert [found.label_of(photo, "dog") for photo in (A, B, C)] == ["cat", "", "dog"]
    assert (found.left_out, found.right, found.same) == ({C}, {A}, {(A, C)})
    journal.take_back([C])
    journal.label([A], "dog")
    assert not journal.corrections.left_out
    assert not journal.corrections.right, "another label was said to be right"


def test_thousands_of_renames_and_labels_are_read_in_time_that_is_linear() -> None:
    acts = [{"act": "label", "label": "l0", "photos": [f"{n:024x}" for n in range(20_000)]}]
    acts += [{"act": "rename", "labels": {f"l{n}": f"l{n + 1}"}} for n in range(20_000)]
    with takes_at_most(2):
        found = Corrections.of(acts)
    assert set(found.labels.values()) == set(found.renamed.values()) == {"l20000"} and len(found.renamed) == 20_000


def test_labels_are_renamed_and_swapped(journal: Journal) -> None:
    journal.label([A], "cat")
    for old, new in (("cat", "x"), ("dog", "cat"), ("x", "dog")):
        journal.rename(old, new)
    found = journal.corrections
    assert found.label_of(A, "") == "dog"
    assert [found.label_of(B, label) for label in ("cat", "dog", "bird")] == ["dog", "cat", "bird"]
    journal.rename("dog", "cat")
    assert {journal.corrections.label_of(B, label) for label in ("cat", "dog")} == {"cat"}, "merged"


def test_an_act_is_undone_as_a_whole(journal: Journal) -> None:
    journal.labels({A: "cat", B: "dog"}, left_out=[C])
    journal.label([A], "bird")
    empty, both = journal.undo(), journal.corrections
    assert empty and empty["label"] == "bird" and both.labels == {A: "cat", B: "dog"} and both.left_out == {C}
    assert journal.undo() and not journal.corrections
    assert journal.undo() is None
    assert journal.redo() and journal.corrections == both
    journal.right([A])
    assert journal.redo() is None, "something else was done since"
    assert journal.undo() and journal.corrections == both


def test_what_another_process_undid_is_seen_when_there_is_nothing_left_to_undo(journal: Journal) -> None:
    journal.label([A], "cat")
    assert journal.corrections.labels == {A: "cat"}
    Journal(journal.path.parent).undo()
    assert journal.undo() is None and not journal.corrections


def test_its_corrections_are_written_in_few_acts(journal: Journal, tmp_path: Path) -> None:
    journal.label([B, A], "cat")
    journal.rename("cat", "dog")
    journal.rename("x", "cat")
    journal.leave_out([C])
    journal.leave_out_of_training([A])
    journal.right([B])
    journal.same(B, A)
    (tmp_path / NAME).write_text(journal.corrections.text())
    again = Journal(tmp_path).corrections
    assert again == journal.corrections and again.text() == journal.corrections.text()
    assert again.text().count("\n") == 8


@pytest.mark.parametrize("contents", [[], ["../../etc/passwd"], ["A" * 24]])
def test_only_contents_are_taken(journal: Journal, contents: list[str]) -> None:
    with pytest.raises(BadInput):
        journal.leave_out(contents)
    for label in ("", " ", "x" * 2000):
        with pytest.raises(BadInput, match="label"):
            journal.label([A], label)
    assert not journal.path.exists()


@pytest.mark.parametrize("torn", [b'{"act":"label","pho', b"\x00\x00", b"[]", b'{"act":"leave_out","photos":[1]}'])
def test_a_torn_line_is_ignored(journal: Journal, torn: bytes) -> None:
    journal.label([A], "cat")
    with journal.path.open("ab") as file:
        file.write(torn)
    assert journal.corrections.labels == {A: "cat"}
    journal.label([B], "dog")
    assert journal.corrections.labels == Journal(journal.path.parent).corrections.labels == {A: "cat", B: "dog"}


def test_a_link_is_refused(journal: Journal, tmp_path: Path) -> None:
    journal.path.parent.mkdir()
    (tmp_path / "mine.txt").write_text("mine")
    journal.path.symlink_to(tmp_path / "mine.txt")
    with pytest.raises(BadInput, match="link"):
        journal.label([A], "cat")
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_two_processes_append(tmp_path: Path) -> None:
    one, other = Journal(tmp_path), Journal(tmp_path)
    for n in range(20):
        one.label([f"{2 * n:024x}"], "cat")
        other.label([f"{2 * n + 1:024x}"], "dog")
    assert len(one.corrections.labels) == len(other.corrections.labels) == 40


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the killed processes are forked")
@pytest.mark.parametrize("kills", [13, pytest.param(100, marks=pytest.mark.slow)])
def test_a_process_killed_at_any_write_loses_no_line_but_the_last(tmp_path: Path, kills: int) -> None:
    subprocess.run([sys.executable, "-c", KILLS, str(tmp_path), str(kills)], check=True)
    reached = []
    for boundary in range(kills):
        workspace = tmp_path / str(boundary)
        said = int((workspace / "said").read_text())
        kept = Journal(workspace).corrections.labels
        assert kept.keys() == {f"{n:024x}" for n in range(len(kept))} and said <= len(kept) <= said + 1
        Journal(workspace).label([A], "dog")
        assert Journal(workspace).corrections.labels == {**kept, A: "dog"}
        reached.append((said, len(kept)))
    assert {(0, 0), (0, 1), (1, 1), (1, 2), (2, 2)} <= set(reached)
