"""The double of the Hub, against the real client."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationCopy,
    CommitOperationDelete,
    HfApi,
    get_token,
    hf_hub_download,
    snapshot_download,
)
from huggingface_hub.errors import (
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.hub.fixtures import environment
from tests.hub.server import Hub

PETS = "anna/pets"
CARD = b"---\nlicense: mit\n---\n\n# Pets\n"
WEIGHTS = bytes(range(256)) * 300
FILES = {"README.md": CARD, "deep/er/notes.txt": b"hello", "empty.txt": b"", "model.safetensors": WEIGHTS}
HELLO = "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0"  # printf hello | git hash-object --stdin
KINDS = ("model", "dataset", "space")


@pytest.fixture(params=["lfs", "xet"])
def either(request: pytest.FixtureRequest) -> Hub:
    """A Hub with each of the two ways for large files."""
    found: Hub = request.getfixturevalue("hub" if request.param == "lfs" else "xet_hub")
    return found


def client(hub: Hub, token: str | None = None) -> Any:
    return HfApi(endpoint=hub.url, token=token or hub.token)


def pushed(hub: Hub, kind: str = "model", files: dict[str, bytes] = FILES, **more: Any) -> Any:
    """One commit of these files, into a repository that is made if there is none."""
    space = {"space_sdk": "gradio"} if kind == "space" else {}
    client(hub).create_repo(PETS, repo_type=kind, exist_ok=True, **space)
    return committed(hub, kind, files, **more)


def committed(hub: Hub, kind: str = "model", files: dict[str, bytes] = FILES, **more: Any) -> Any:
    adds = [CommitOperationAdd(path, data) for path, data in files.items()]
    return client(hub).create_commit(PETS, adds, commit_message="Pets", repo_type=kind, **more)


def bytes_in(folder: str | Path) -> dict[str, bytes]:
    root = Path(folder)
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_it_starts_and_ends() -> None:
    hub = Hub()
    assert client(hub).whoami()["name"] == "anna"
    hub.close()
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(hub.url)


def test_whoami_says_who_and_what_the_token_may(hub: Hub) -> None:
    who = client(hub).whoami()
    assert (who["name"], who["auth"]["accessToken"]["role"], who["isPro"]) == ("anna", "write", True)
    assert client(hub, hub.reader_token).whoami()["auth"]["accessToken"]["role"] == "read"
    assert not client(hub, hub.poor_token).whoami()["isPro"]
    with pytest.raises(HfHubHTTPError, match="Invalid user token") as refusal:
        client(hub, "hf_wrong").whoami()
    assert refusal.value.response.status_code == 401
    assert get_token() is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_repository_is_made_once(hub: Hub, kind: str) -> None:
    api, space = client(hub), {"space_sdk": "gradio"} if kind == "space" else {}
    url = api.create_repo(PETS, repo_type=kind, private=True, **space)
    assert (url.repo_id, url.repo_type, url.endpoint) == (PETS, kind, hub.url)
    assert api.create_repo(PETS, repo_type=kind, exist_ok=True, **space) == url
    with pytest.raises(HfHubHTTPError) as refusal:
        api.create_repo(PETS, repo_type=kind, **space)
    assert refusal.value.response.status_code == 409
    assert hub.repos[kind, PETS].private
    assert [call.status for call in hub.named("create")] == [200, 409, 409]


def test_a_repository_belongs_to_who_made_it(hub: Hub) -> None:
    for token in (hub.other_token, hub.reader_token):
        with pytest.raises(HfHubHTTPError) as refusal:
            client(hub, token).create_repo(PETS)
        assert refusal.value.response.status_code == 403
    client(hub).create_repo(PETS)
    for token in (hub.other_token, hub.reader_token):
        with pytest.raises(HfHubHTTPError) as refusal:
            client(hub, token).create_commit(PETS, [CommitOperationAdd("a.txt", b"a")], commit_message="a")
        assert refusal.value.response.status_code == 403
    assert len(hub.repos["model", PETS].commits) == 1


def test_a_space_on_cpu_basic_is_for_pro(hub: Hub) -> None:
    poor, known = client(hub, hub.poor_token), {"repo_id": "paul/pets", "repo_type": "space"}
    for hardware in (None, "cpu-basic"):
        with pytest.raises(HfHubHTTPError) as refusal:
            poor.create_repo(**known, space_sdk="gradio", space_hardware=hardware, exist_ok=True)
        assert refusal.value.response.status_code == 402
    poor.create_repo(**known, space_sdk="gradio", space_hardware="zero-a10g")
    assert hub.repos["space", "paul/pets"].hardware == "zero-a10g"
    poor.create_repo("paul/page", repo_type="space", space_sdk="static")


@pytest.mark.parametrize("kind", KINDS)
def test_small_and_large_files_are_one_commit(either: Hub, kind: str) -> None:
    before = pushed(either, kind, {"old.txt": b"old"})
    info = pushed(either, kind, parent_commit=before.oid)
    repo = either.repos[kind, PETS]
    assert repo.commits[-1].oid == info.oid and repo.commits[-1].changed == tuple(sorted(FILES))
    assert {path: data for path, data in repo.files.items() if path in FILES} == FILES
    assert [path for path, file in repo.tree.items() if file.lfs] == ["model.safetensors"]
    assert bool(either.named("put")) != bool(either.named("xet-token"))
    assert not either.named("unknown")


def test_the_same_again_is_no_commit(either: Hub) -> None:
    first = pushed(either)
    assert pushed(either).oid == first.oid
    assert len(either.repos["model", PETS].commits) == 2
    assert len(either.named("commit")) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_snapshot_is_the_same_bytes_and_stays(either: Hub, kind: str) -> None:
    info = pushed(either, kind)
    folder = snapshot_download(PETS, repo_type=kind)
    assert Path(folder).name == info.oid
    assert bytes_in(folder) == either.repos[kind, PETS].files
    gets = [c for c in either.named("resolve") if c.method == "GET" and c.path.endswith("safetensors")]
    assert bool(either.named("xet-read-token")) == (not gets)
    path = hf_hub_download(PETS, "model.safetensors", repo_type=kind)
    assert Path(path).read_bytes() == WEIGHTS
    assert Path(path).readlink().name == hashlib.sha256(WEIGHTS).hexdigest()
    seen = len(either.calls)
    assert snapshot_download(PETS, repo_type=kind, local_files_only=True) == folder
    assert hf_hub_download(PETS, "README.md", repo_type=kind, local_files_only=True).startswith(folder)
    assert len(either.calls) == seen


def test_what_is_absent_has_its_own_errors(hub: Hub) -> None:
    pushed(hub)
    with pytest.raises(RemoteEntryNotFoundError):
        hf_hub_download(PETS, "absent.txt")
    with pytest.raises(RevisionNotFoundError):
        snapshot_download(PETS, revision="absent")
    for stranger in (client(hub), client(hub, hub.other_token), HfApi(endpoint=hub.url, token=False)):
        with pytest.raises(RepositoryNotFoundError):
            stranger.repo_info("anna/absent")


def test_a_private_repository_is_hidden(hub: Hub) -> None:
    client(hub).create_repo(PETS, private=True)
    committed(hub)
    assert client(hub, hub.reader_token).model_info(PETS).private
    for token, status in ((hub.other_token, 404), (False, 401)):
        with pytest.raises(RepositoryNotFoundError) as refusal:
            HfApi(endpoint=hub.url, token=token).model_info(PETS)
        assert refusal.value.response.status_code == status
        with pytest.raises(RepositoryNotFoundError):
            snapshot_download(PETS, token=token)


def test_files_and_folders_are_deleted(hub: Hub) -> None:
    pushed(hub, files={"a.txt": b"a", "photos/1.txt": b"1", "photos/2.txt": b"2", "photos.txt": b"3"})
    deletes = [CommitOperationDelete("a.txt"), CommitOperationDelete("photos/")]
    client(hub).create_commit(PETS, deletes, commit_message="less")
    repo = hub.repos["model", PETS]
    assert set(repo.files) == {".gitattributes", "photos.txt"}
    assert repo.commits[-1].changed == ("a.txt", "photos/1.txt", "photos/2.txt")
    with pytest.raises(RemoteEntryNotFoundError):
        client(hub).create_commit(PETS, deletes, commit_message="less")
    assert len(repo.commits) == 3


def test_a_large_file_is_copied(either: Hub) -> None:
    pushed(either)
    copies = [CommitOperationCopy("model.safetensors", "best.safetensors"), CommitOperationCopy("README.md", "b.md")]
    client(either).create_commit(PETS, copies, commit_message="copy")
    files = either.repos["model", PETS].files
    assert (files["best.safetensors"], files["b.md"]) == (WEIGHTS, CARD)


def test_a_commit_in_between_is_told(hub: Hub) -> None:
    parent = pushed(hub).oid
    pushed(hub, files={"other.txt": b"by somebody else"})
    with pytest.raises(HfHubHTTPError) as refusal:
        pushed(hub, files={"mine.txt": b"mine"}, parent_commit=parent)
    assert refusal.value.response.status_code == 412
    assert "mine.txt" not in hub.repos["model", PETS].files


def test_a_card_is_checked_before_anything_is_sent(hub: Hub) -> None:
    with pytest.raises(ValueError, match="YAML is invalid"):
        pushed(hub, files={"README.md": b"---\nlicense: [mit\n---\n"})
    with pytest.warns(UserWarning, match="empty or missing yaml"):
        pushed(hub, files={"README.md": b"# No metadata\n"})
    hub.fail("validate", 400, json={"errors": [{"message": '"license" must be one of these'}]})
    with pytest.raises(ValueError, match="must be one of these"):
        pushed(hub)
    assert len(hub.named("commit")) == 1


def test_listings_are_what_git_says(either: Hub) -> None:
    pushed(either)
    api = client(either)
    files = {f.path: f for f in api.list_repo_tree(PETS, recursive=True)}
    assert set(files) == {".gitattributes", "deep", "deep/er", *FILES}
    assert files["deep/er/notes.txt"].blob_id == HELLO
    assert files["model.safetensors"].lfs.sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert bool(files["model.safetensors"].xet_hash) == bool(either.xet)
    assert {f.path for f in api.list_repo_tree(PETS)} == {".gitattributes", "deep", *FILES} - {"deep/er/notes.txt"}
    assert [f.path for f in api.list_repo_tree(PETS, "deep")] == ["deep/er"]
    assert [f.path for f in api.get_paths_info(PETS, ["README.md", "absent"])] == ["README.md"]
    sizes = {s.rfilename: s.size for s in api.model_info(PETS, files_metadata=True).siblings}
    assert {path: sizes[path] for path in FILES} == {path: len(data) for path, data in FILES.items()}
    assert api.list_repo_refs(PETS).branches[0].target_commit == either.repos["model", PETS].commits[-1].oid


def test_an_older_commit_can_be_had(hub: Hub) -> None:
    old = pushed(hub, files={"a.txt": b"old"}).oid
    pushed(hub, files={"a.txt": b"new"})
    assert Path(hf_hub_download(PETS, "a.txt", revision=old)).read_bytes() == b"old"
    assert Path(hf_hub_download(PETS, "a.txt")).read_bytes() == b"new"
    assert client(hub).model_info(PETS, revision=old).sha == old


def test_a_space_has_hardware_secrets_and_variables(hub: Hub) -> None:
    api = client(hub)
    space = {"repo_type": "space", "space_sdk": "gradio", "space_hardware": "cpu-basic"}
    api.create_repo(PETS, **space, space_secrets=[{"key": "A", "value": "first"}])
    repo = hub.repos["space", PETS]
    assert (repo.sdk, repo.hardware, repo.secrets) == ("gradio", "cpu-basic", {"A": "first"})
    assert set(repo.files) == {".gitattributes", "README.md"}
    api.add_space_secret(PETS, "B", "second")
    assert (repo.secrets["B"], set(api.get_space_secrets(PETS))) == ("second", {"A", "B"})
    api.delete_space_secret(PETS, "A")
    assert api.add_space_variable(PETS, "C", "third")["C"].value == "third"
    assert (repo.secrets, repo.variables) == ({"B": "second"}, {"C": "third"})
    assert api.get_space_runtime(PETS).stage == "NO_APP_FILE"
    committed(hub, "space", {"app.py": b"print()"})
    assert api.request_space_hardware(PETS, "zero-a10g").hardware == "zero-a10g"
    assert api.restart_space(PETS).stage == "RUNNING"
    assert api.wait_for_space(PETS).stage == "RUNNING"
    assert api.space_info(PETS).runtime.hardware == "zero-a10g"
    repo.stage = "BUILD_ERROR"
    assert api.get_space_runtime(PETS).stage == "BUILD_ERROR"
    for token in (hub.other_token, hub.reader_token):
        with pytest.raises(HfHubHTTPError):
            client(hub, token).add_space_secret(PETS, "D", "fourth")


ONCE: dict[str, Callable[[Hub], Any]] = {
    "whoami": lambda hub: client(hub).whoami(),
    "create": lambda hub: client(hub).create_repo("anna/new"),
    "validate": lambda hub: committed(hub),
    "commit": lambda hub: committed(hub),
    "info": lambda hub: client(hub).model_info(PETS),
}
AGAIN: dict[str, Callable[[Hub], Any]] = {
    **dict.fromkeys(("preupload", "batch", "put", "verify"), committed),
    "tree": lambda hub: list(client(hub).list_repo_tree(PETS)),
}


@pytest.mark.parametrize("call", ONCE)
def test_a_fault_is_told_at_once(hub: Hub, call: str) -> None:
    client(hub).create_repo(PETS)
    for status in (401, 402, 403, 404, 409, 412, 429, 500, 503):
        hub.fail(call, status, headers={"Retry-After": "7"})
        with pytest.raises(HfHubHTTPError) as refusal:
            ONCE[call](hub)
        assert (refusal.value.response.status_code, refusal.value.response.headers["Retry-After"]) == (status, "7")
        assert hub.named(call)[-1].status == status
    assert len(hub.repos) == 1 and len(hub.repos["model", PETS].commits) == 1
    ONCE[call](hub)
    assert hub.named(call)[-1].status == 200


@pytest.mark.parametrize("call", AGAIN)
def test_the_client_itself_asks_again(hub: Hub, quick: None, call: str) -> None:
    client(hub).create_repo(PETS)
    for status in (408, 429, 500, 503, "drop"):
        hub.fail(call, status)
    AGAIN[call](hub)
    assert [c.status for c in hub.named(call)] == [408, 429, 500, 503, 0, 200]


@pytest.mark.parametrize("call", ["preupload", "batch", "put", "verify", "xet-token"])
def test_the_client_gives_up(request: pytest.FixtureRequest, quick: None, call: str) -> None:
    hub: Hub = request.getfixturevalue("xet_hub" if call == "xet-token" else "hub")
    client(hub).create_repo(PETS)
    hub.fail(call, 503, times=6)
    with pytest.raises((HfHubHTTPError, RuntimeError, ConnectionError)):
        committed(hub)
    assert len(hub.named(call)) == 6
    assert len(hub.repos["model", PETS].commits) == 1
    committed(hub)
    assert hub.repos["model", PETS].files["model.safetensors"] == WEIGHTS


@pytest.mark.parametrize("call", ["whoami", "commit", "info"])
def test_a_dropped_connection(hub: Hub, call: str) -> None:
    client(hub).create_repo(PETS)
    hub.fail(call, "drop")
    with pytest.raises(httpx2.TransportError):
        ONCE[call](hub)
    assert hub.named(call)[-1].status == 0
    assert len(hub.repos["model", PETS].commits) == 1
    ONCE[call](hub)


@pytest.mark.parametrize("status", [503, "drop"])
def test_a_commit_whose_answer_is_lost_was_made(either: Hub, status: Any) -> None:
    client(either).create_repo(PETS)
    either.fail("commit", status, when="after")
    with pytest.raises((HfHubHTTPError, httpx2.TransportError)):
        committed(either)
    repo = either.repos["model", PETS]
    assert (len(repo.commits), repo.files["model.safetensors"]) == (2, WEIGHTS)
    assert committed(either).oid == repo.commits[-1].oid
    assert len(repo.commits) == 2


@pytest.mark.parametrize("call", ["put", "verify"])
def test_an_upload_whose_answer_is_lost_is_there(hub: Hub, quick: None, call: str) -> None:
    client(hub).create_repo(PETS)
    hub.fail(call, "drop", times=6, when="after")
    with pytest.raises(RuntimeError):
        committed(hub)
    committed(hub)
    assert len(hub.named("put")) == (6 if call == "put" else 1)  # the second push had nothing left to put


def test_a_download_that_fails(hub: Hub, quick: None) -> None:
    pushed(hub)
    hub.fail("info", 503)
    with pytest.raises(LocalEntryNotFoundError):
        snapshot_download(PETS)
    hub.fail("resolve", 500, times=1000)
    with pytest.raises((HfHubHTTPError, LocalEntryNotFoundError)):
        snapshot_download(PETS)
    hub.forgive()
    assert bytes_in(snapshot_download(PETS)) == hub.repos["model", PETS].files


def test_a_fault_needs_a_call_that_exists(hub: Hub) -> None:
    with pytest.raises(ValueError, match="preupload"):
        hub.fail("upload")


def test_all_that_was_sent_can_be_searched(either: Hub) -> None:
    canary, files = b"a-canary-in-it", {"small.txt": b"x", "photos/1.jpg": bytes(1000)}
    pushed(either, files=files)
    assert canary not in either.sent() and either.token.encode() not in either.sent()
    assert b"photos/1.jpg" in either.sent() and PETS.encode() in either.sent()
    pushed(either, files={"small.txt": b"y" * 1000 + canary})
    assert either.sent().count(canary) == 1
    client(either).preupload_lfs_files(PETS, [CommitOperationAdd("a.onnx", bytes(1000) + canary)])
    assert either.sent().count(canary) == 2
    HfApi(endpoint=either.url, token=either.token, user_agent={"photo": canary.decode()}).whoami()
    assert either.sent().count(canary) == 3


def test_another_process_is_set_by_variables(either: Hub, tmp_path: Path) -> None:
    script = (
        "from huggingface_hub import HfApi, snapshot_download as get; api = HfApi(); api.create_repo('anna/pets');"
        "api.upload_file(path_or_fileobj=bytes(9), path_in_repo='a.onnx', repo_id='anna/pets'); print(get('anna/pets'))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | environment(either, tmp_path / "home"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert either.repos["model", PETS].files["a.onnx"] == bytes(9)
    assert bytes_in(told.stdout.strip()) == either.repos["model", PETS].files
    assert Path(told.stdout.strip()).is_relative_to(tmp_path / "home")
