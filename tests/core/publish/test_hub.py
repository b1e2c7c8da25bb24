"""A push: one commit or none, whatever happens on the way; and each refusal a sentence with what to do."""

from __future__ import annotations

import errno
import re
from typing import Any

import pytest

from core import hub as core_hub
from core.errors import BadInput
from core.publish.hub import Hub as Client
from tests.hub.faults import CASES, FILES, REPO, XET_CASES, Case, pushed
from tests.matrix import thinned


def few(case: Case) -> bool:
    """One that passes, one that is refused and one that stays, at every call."""
    return (case.status, case.times) in {(503, 1), (403, 1), ("drop", 100)}


def always(case: Case) -> bool:
    """Also every status at one call, and what fails only after it was done."""
    return few(case) or (not case.space and (case.call == "commit" or case.when == "after"))


@pytest.mark.parametrize("case", thinned(CASES, always))
def test_after_a_fault_the_next_push_puts_all_right(signed_in: Any, case: Case) -> None:
    told(signed_in, case)


@pytest.mark.parametrize("case", thinned(XET_CASES, few))
def test_with_xet_too(signed_in_by_xet: Any, case: Case) -> None:
    told(signed_in_by_xet, case)


def told(hub: Any, case: Case) -> None:
    said = pushed(hub, case)
    if case.times == 1 and case.status in (429, 500, 503, "drop"):
        assert not said, "it passes, so nobody is bothered"
    elif said:
        assert said.endswith(".") and "\n" not in said and "; " in said
        assert case.status == "drop" or str(case.status) in said
    assert hub.token not in said


def test_the_same_again_is_no_commit(signed_in: Any) -> None:
    address = Client().push(REPO, FILES)
    assert address == f"{signed_in.url}/{REPO}" == Client().push(REPO, FILES)
    repo = signed_in.repos["model", REPO]
    assert repo.commits[-1].changed == tuple(sorted(FILES)) and len(repo.commits) == 2 and not repo.private
    Client().push(REPO, FILES | {"README.md": b"# other\n"})
    assert repo.commits[-1].changed == ("README.md",)


def test_it_is_the_same_with_xet(signed_in_by_xet: Any) -> None:
    for _ in range(2):
        Client().push(REPO, FILES)
    repo = signed_in_by_xet.repos["model", REPO]
    assert repo.files["model.safetensors"] == FILES["model.safetensors"] and repo.tree["model.safetensors"].xet_hash
    assert len(repo.commits) == 2 and not signed_in_by_xet.named("put")


def test_what_was_ours_goes_and_what_was_theirs_stays(signed_in: Any) -> None:
    Client().push(REPO, FILES | {"model.onnx": b"old", "examples/1.jpg": b"old"})
    signed_in.repos["model", REPO].commit("by hand", signed_in.repos["model", REPO].tree | {"notes.txt": theirs()})
    Client().push(REPO, FILES)
    assert set(signed_in.repos["model", REPO].files) == {*FILES, ".gitattributes", "notes.txt"}


def test_the_repository_of_something_else_is_left_alone(signed_in: Any) -> None:
    Client().api.create_repo(REPO)
    repo = signed_in.repos["model", REPO]
    for tree in (
        {"notes.txt": theirs()},
        {"config.json": theirs(b'{"model_type": "bert"}')},
        {"config.json": theirs()},
    ):
        repo.commit("by hand", tree)
        with pytest.raises(BadInput, match=r"has files that this program did not make; choose a name"):
            Client().push(REPO, FILES)
        assert set(repo.files) == set(tree)


def theirs(data: bytes = b"mine") -> Any:
    from tests.hub.state import File

    return File(data, lfs=False)


def test_a_private_push_never_goes_to_a_public_place(signed_in: Any) -> None:
    Client().push(REPO, FILES)
    with pytest.raises(BadInput, match="is already public"):
        Client().push(REPO, FILES | {"README.md": b"secret"}, private=True)
    assert b"secret" not in signed_in.sent()
    Client().push("anna/other", FILES, private=True)
    assert signed_in.repos["model", "anna/other"].private


def test_a_space_has_its_hardware_and_may_move(signed_in: Any) -> None:
    assert Client().push(REPO, FILES, space="cpu-basic") == f"{signed_in.url}/spaces/{REPO}"
    space = signed_in.repos["space", REPO]
    assert (space.sdk, space.hardware) == ("gradio", "cpu-basic")
    Client().push(REPO, FILES, space="zero-gpu")
    assert space.hardware == "zero-a10g" and len(space.commits) == 2


def test_a_static_space_is_free_and_replaces_one_with_a_server(signed_in: Any) -> None:
    hub = Client(signed_in.poor_token)
    hub.push("paul/pets", FILES | {"app.py": b"import gradio", "core/data/photo.py": b"old"}, space="zero-gpu")
    hub.push("paul/pets", FILES | {"index.html": b"<html>", "runtime/ort.js": b"1"}, space="static")
    space = signed_in.repos["space", "paul/pets"]
    assert set(space.files) == {*FILES, ".gitattributes", "index.html", "runtime/ort.js"}
    hub.push("paul/other", FILES, space="static")
    assert signed_in.repos["space", "paul/other"].sdk == "static"


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "hf auth login"), (402, "paid plan"), (403, "write access"), (404, "check its name"),
        (409, "try again"), (412, "someone else"), (418, "refuses"), (429, "too many requests"), (503, "is failing"),
    ],
)  # fmt: skip
def test_each_refusal_says_what_to_do(signed_in: Any, status: int, advice: str) -> None:
    signed_in.fail("commit", status, 100, {"Retry-After": "0"})
    with pytest.raises(BadInput, match=re.escape(advice)) as caught:
        Client().push(REPO, FILES)
    assert str(caught.value).startswith(f"'{REPO}': ") and str(status) in str(caught.value)


def test_a_space_without_a_paid_plan(signed_in: Any) -> None:
    with pytest.raises(BadInput, match="paid plan, as a Space on cpu-basic does"):
        Client(signed_in.poor_token).push("paul/pets", FILES, space="cpu-basic")
    assert Client(signed_in.poor_token).push("paul/pets", FILES, space="zero-gpu").endswith("spaces/paul/pets")


def test_a_token_that_only_reads(signed_in: Any) -> None:
    with pytest.raises(BadInput, match=r"no write access there.*403"):
        Client(signed_in.reader_token).push(REPO, FILES)
    with pytest.raises(BadInput, match=r"valid login.*401"):
        Client("hf_nobody").push(REPO, FILES)
    assert not signed_in.repos


def test_nobody_is_signed_in(signed_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Client().user() == "anna" and Client(signed_in.poor_token).user() == "paul"
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(BadInput, match="hf auth login"):
        Client().user()


def test_it_waits_as_long_as_the_hub_asks_but_not_for_hours(signed_in: Any) -> None:
    signed_in.fail("commit", 429, 1, {"Retry-After": "7200"})
    with pytest.raises(BadInput, match="try again in 120 min"):
        Client().push(REPO, FILES)
    assert len(signed_in.named("commit")) == 1


def test_a_full_disk_is_said(signed_in: Any) -> None:
    def full() -> None:
        raise RuntimeError("while downloading") from OSError(errno.ENOSPC, "No space left on device", "/cache/x")

    with pytest.raises(BadInput, match="The disk is full: 'x'"):
        core_hub.with_retries(REPO, full)


def test_no_hub_at_all(signed_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    signed_in.close()
    monkeypatch.setattr(core_hub, "WAITS", ())
    with pytest.raises(BadInput, match="cannot be reached; check the network"):
        Client().push(REPO, FILES)


@pytest.mark.parametrize(
    "name", ["", "pets", "a/b/c", "anna/", "/pets", "anna/..", "anna/my pets", "../x", "anna/a--b"]
)
def test_what_is_no_name(signed_in: Any, name: str) -> None:
    with pytest.raises(BadInput, match="not a name on the Hub"):
        Client().push(name, FILES)
    assert not signed_in.calls
