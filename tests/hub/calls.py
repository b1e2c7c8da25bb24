"""What the Hub answers to each call that huggingface_hub 2.4 makes."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qs

import yaml
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import JSONResponse

from tests.hub.asking import Asking, Readable, Writable, at, readable, refused, the_hub, writable
from tests.hub.state import File, Repo, User

if TYPE_CHECKING:
    from tests.hub.server import Hub

LARGE = 5_000_000  # bytes of the longest file that is kept in git itself
BINARY = (".safetensors", ".onnx", ".jpg", ".png")
router = APIRouter()
ID = "/{owner}/{name}"
API = "/api/{kind}" + ID


def must_be_paid(user: User, sdk: str | None, hardware: str | None) -> None:
    """The processor of the Hub is for PRO alone; a static Space needs none."""
    if not user.pro and sdk != "static" and hardware in (None, "cpu-basic"):
        raise refused(402, "A PRO subscription is required for a Space on cpu-basic")


@router.get("/api/whoami-v2", name="whoami")
async def whoami(user: Asking) -> Any:
    if not user:
        raise refused(401, "Invalid username or password.")
    token = {"displayName": "a token", "role": user.role}
    auth = {"type": "access_token", "accessToken": token}
    return {"type": "user", "name": user.name, "fullname": user.name, "isPro": user.pro, "orgs": [], "auth": auth}


@router.post("/api/repos/create", name="create")
async def create(request: Request, user: Asking) -> Any:
    if not user:
        raise refused(401, "Invalid username or password.")
    asked, hub = await request.json(), the_hub(request)
    kind, owner = asked.get("type", "model"), asked.get("organization") or user.name
    if user.role != "write" or owner != user.name:
        raise refused(403, f'You don\'t have the rights to create a {kind} under the namespace "{owner}"')
    sdk, hardware = asked.get("sdk"), asked.get("hardware")
    if kind == "space":
        must_be_paid(user, sdk, hardware)
        hardware = hardware or "cpu-basic"
    repo = Repo(kind, f"{owner}/{asked['name']}", asked.get("visibility") == "private", sdk, hardware)
    url = f"{hub.url}/{repo.prefix}{repo.id}"
    if (kind, repo.id) in hub.repos:
        return JSONResponse({"error": f"You already created this {kind} repo", "url": url}, 409)
    for each in asked.get("secrets", ()):
        repo.secrets[each["key"]] = each["value"]
    for each in asked.get("variables", ()):
        repo.variables[each["key"]] = each["value"]
    hub.repos[kind, repo.id] = repo
    return {"url": url, "name": repo.id, "id": repo.id}


@router.post("/api/validate-yaml", name="validate")
async def validate(request: Request) -> Any:
    parts = (await request.json())["content"].split("---\n", 2)
    if len(parts) < 3 or parts[0].strip():
        return {"errors": [], "warnings": [{"message": "empty or missing yaml metadata in repo card"}]}
    try:
        sound = isinstance(yaml.safe_load(parts[1]), dict | None)
    except yaml.YAMLError:
        sound = False
    return {"errors": [], "warnings": []} if sound else JSONResponse({"errors": [{"message": "YAML is invalid"}]}, 400)


@router.post(API + "/preupload/{revision}", name="preupload")
async def preupload(request: Request, repo: Writable, revision: str) -> Any:
    tree, files = at(repo, revision).tree, []
    for asked in (await request.json())["files"]:
        path, large = asked["path"], asked["size"] > LARGE or b"\0" in base64.b64decode(asked["sample"])
        mode = "lfs" if large or path.endswith(BINARY) else "regular"
        known = {"oid": tree[path].oid} if path in tree else {}
        files.append({"path": path, "uploadMode": mode, "shouldIgnore": False, **known})
    return {"files": files}


@router.post(ID + ".git/info/lfs/objects/batch", name="batch")
@router.post("/{kind}" + ID + ".git/info/lfs/objects/batch", name="batch")
async def batch(request: Request, repo: Writable) -> Any:
    objects = []
    for asked in (await request.json())["objects"]:
        oid, here = asked["oid"], f"{the_hub(request).url}/lfs/{repo.kind}s/{repo.id}/{asked['oid']}"
        actions = {"actions": {"upload": {"href": here}, "verify": {"href": f"{here}/verify"}}}
        objects.append({"oid": oid, "size": asked["size"], **({} if oid in repo.objects else actions)})
    return {"transfer": "basic", "objects": objects}


@router.put("/lfs/{kind}" + ID + "/{oid}", name="put")
async def put(request: Request, owner: str, name: str, kind: str, oid: str) -> Any:
    """Without a login, as its address is a secret that `batch` told."""
    data = await request.body()
    if File(data, lfs=True).sha256 != oid:
        raise refused(400, "The bytes are not those that were announced")
    the_hub(request).repos[kind.removesuffix("s"), f"{owner}/{name}"].objects[oid] = data
    return {}


@router.post("/lfs/{kind}" + ID + "/{oid}/verify", name="verify")
async def verify(request: Request, repo: Writable, oid: str) -> Any:
    if len(repo.objects.get(oid, b"")) != (await request.json())["size"]:
        raise refused(404, "Object not found")
    return {}


@router.get(API + "/xet-write-token/{revision}", name="xet-token")
async def write_token(request: Request, repo: Writable, revision: str) -> Any:
    return xet_token(the_hub(request))


@router.get(API + "/xet-read-token/{revision}", name="xet-read-token")
async def read_token(request: Request, repo: Readable, revision: str) -> Any:
    return xet_token(the_hub(request))


def xet_token(hub: Hub) -> Response:
    """Where the storage is, in headers for huggingface_hub and in JSON for hf_xet."""
    if not hub.xet:
        raise refused(404, "Not found")
    until = int(time.time()) + 3600
    headers = {"X-Xet-Cas-Url": hub.xet.url, "X-Xet-Access-Token": "cas", "X-Xet-Token-Expiration": str(until)}
    return JSONResponse({"casUrl": hub.xet.url, "accessToken": "cas", "exp": until}, headers=headers)


@router.post(API + "/commit/{revision}", name="commit")
async def commit(request: Request, repo: Writable, revision: str) -> Any:
    hub = the_hub(request)
    head, *lines = [json.loads(line) for line in (await request.body()).splitlines()]
    if revision != "main":
        raise refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    if not repo.commits[-1].oid.startswith(head["value"].get("parentCommit", "")):
        raise refused(412, "A commit has happened since. Please refresh and try again.")
    tree = dict(repo.tree)
    for line in lines:
        key, value = line["key"], line["value"]
        path = value["path"]
        if key == "file":
            tree[path] = File(base64.b64decode(value["content"]), lfs=False)
        elif key == "lfsFile":
            tree[path] = uploaded(hub, repo, value["oid"])
        else:
            gone = [p for p in tree if p == path or (key == "deletedFolder" and p.startswith(path.rstrip("/") + "/"))]
            if not gone:
                raise refused(404, "A file with this name doesn't exist", "EntryNotFound")
            for each in gone:
                del tree[each]
    new = repo.commit(head["value"]["summary"], tree)
    return {"success": True, "commitOid": new.oid, "commitUrl": f"{hub.url}/{repo.prefix}{repo.id}/commit/{new.oid}"}


def uploaded(hub: Hub, repo: Repo, sha256: str) -> File:
    """The bytes that were sent before, by either way; a commit of others is refused."""
    if sha256 in repo.objects:
        return File(repo.objects[sha256], lfs=True)
    stored = next((s for s in hub.xet or () if s.sha256 == sha256), None)
    if hub.xet and stored:
        return File(hub.xet.read(stored), lfs=True, xet_hash=stored.xet_hash)
    raise refused(400, "A large file was not uploaded before it was committed")


@router.get(API, name="info")
@router.get(API + "/revision/{revision}", name="info")
async def info(repo: Readable, revision: str = "main", blobs: bool = False) -> Any:
    found = at(repo, revision)
    siblings = []
    for path, file in sorted(found.tree.items()):
        large = {"size": len(file.data), "sha256": file.sha256, "pointerSize": len(file.pointer)}
        sizes = {"size": len(file.data), "blobId": file.blob_id, **({"lfs": large} if file.lfs else {})}
        siblings.append({"rfilename": path, **(sizes if blobs else {})})
    space = {"sdk": repo.sdk, "runtime": runtime(repo)} if repo.kind == "space" else {}
    known = {"id": repo.id, "author": repo.owner, "sha": found.oid, "private": repo.private, "gated": False}
    return {**known, "disabled": False, "tags": [], "downloads": 0, "likes": 0, "siblings": siblings, **space}


def entry(path: str, file: File) -> dict[str, Any]:
    """A file in a listing."""
    large = {"oid": file.sha256, "size": len(file.data), "pointerSize": len(file.pointer)}
    more = {**({"lfs": large} if file.lfs else {}), **({"xetHash": file.xet_hash} if file.xet_hash else {})}
    return {"type": "file", "path": path, "size": len(file.data), "oid": file.blob_id, **more}


def listing(tree: dict[str, File], under: str = "") -> list[dict[str, Any]]:
    """All files and folders, or those under a folder."""
    folders = {path[:i] for path in tree for i, letter in enumerate(path) if letter == "/"}
    found: list[dict[str, Any]]
    found = [{"type": "directory", "path": f, "size": 0, "oid": File(f.encode(), False).blob_id} for f in folders]
    found += [entry(path, file) for path, file in tree.items()]
    return sorted((e for e in found if not under or e["path"].startswith(under + "/")), key=lambda e: e["path"])


@router.get(API + "/tree/{revision}", name="tree")
@router.get(API + "/tree/{revision}/{under:path}", name="tree")
async def tree(repo: Readable, revision: str, under: str = "", recursive: bool = False) -> Any:
    found = listing(at(repo, revision).tree, under)
    if under and not found:
        raise refused(404, f"{under} does not exist on {revision}", "EntryNotFound")
    return [e for e in found if recursive or "/" not in e["path"].removeprefix(under).lstrip("/")]


@router.post(API + "/paths-info/{revision}", name="paths-info")
async def paths_info(request: Request, repo: Readable, revision: str) -> Any:
    wanted = parse_qs((await request.body()).decode()).get("paths", [])
    return [e for e in listing(at(repo, revision).tree) if e["path"] in wanted]


@router.get(API + "/refs", name="refs")
async def refs(repo: Readable) -> Any:
    main = {"name": "main", "ref": "refs/heads/main", "targetCommit": repo.commits[-1].oid}
    return {"branches": [main], "converts": [], "tags": [], "pullRequests": []}


@router.api_route(ID + "/resolve/{revision}/{path:path}", methods=["GET", "HEAD"], name="resolve")
@router.api_route("/{kind}" + ID + "/resolve/{revision}/{path:path}", methods=["GET", "HEAD"], name="resolve")
async def resolve(request: Request, repo: Readable, revision: str, path: str) -> Any:
    found = at(repo, revision)
    headers = {"X-Repo-Commit": found.oid}
    if path not in found.tree:
        raise HTTPException(404, "Entry not found", {**headers, "X-Error-Code": "EntryNotFound"})
    file = found.tree[path]
    headers["ETag"] = f'"{file.blob_id}"'
    if file.lfs:
        headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(len(file.data))}
    if file.xet_hash:
        route = f"{the_hub(request).url}/api/{repo.kind}s/{repo.id}/xet-read-token/{found.oid}"
        headers |= {"X-Xet-Hash": file.xet_hash, "X-Xet-Refresh-Route": route}
    return Response(file.data, media_type="application/octet-stream", headers=headers)


def runtime(repo: Repo) -> dict[str, Any]:
    """What a Space is doing."""
    return {"stage": repo.stage, "hardware": {"current": repo.hardware, "requested": repo.hardware}, "storage": None}


@router.get("/api/spaces" + ID + "/runtime", name="runtime")
async def get_runtime(request: Request, user: Asking, owner: str, name: str) -> Any:
    return runtime(await readable(request, user, owner, name, "spaces"))


async def own_space(request: Request, user: Asking, owner: str, name: str) -> Repo:
    """A Space that this user may change."""
    return await writable(await readable(request, user, owner, name, "spaces"), user)


Space = Annotated[Repo, Depends(own_space)]


@router.post("/api/spaces" + ID + "/hardware", name="hardware")
async def hardware(request: Request, repo: Space, user: Asking) -> Any:
    flavor = (await request.json())["flavor"]
    if user:
        must_be_paid(user, repo.sdk, flavor)
    repo.hardware = flavor
    return runtime(repo)


@router.post("/api/spaces" + ID + "/restart", name="restart")
async def restart(repo: Space) -> Any:
    return runtime(repo)


@router.api_route("/api/spaces" + ID + "/secrets", methods=["GET", "POST", "DELETE"], name="secrets")
async def secrets(request: Request, repo: Space) -> Any:
    await change(repo.secrets, request)
    return {key: {"description": None} for key in repo.secrets}


@router.api_route("/api/spaces" + ID + "/variables", methods=["GET", "POST", "DELETE"], name="variables")
async def variables(request: Request, repo: Space) -> Any:
    await change(repo.variables, request)
    return {key: {"value": value} for key, value in repo.variables.items()}


async def change(settings: dict[str, str], request: Request) -> None:
    """Set or delete one of a Space's settings."""
    if request.method == "POST":
        asked = await request.json()
        settings[asked["key"]] = asked["value"]
    if request.method == "DELETE":
        settings.pop((await request.json())["key"], None)
