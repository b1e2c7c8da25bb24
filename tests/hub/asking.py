"""Who asks the Hub, for which repository, and whether that is allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, HTTPException, Request

from tests.hub.state import Commit, Repo, User

if TYPE_CHECKING:
    from tests.hub.server import Hub


def refused(status: int, message: str, code: str = "") -> HTTPException:
    """An error as the Hub says it."""
    return HTTPException(status, message, {"X-Error-Message": message, **({"X-Error-Code": code} if code else {})})


def the_hub(request: Request) -> Hub:
    """The Hub that was asked."""
    hub: Hub = request.app.state.hub
    return hub


async def asking(request: Request) -> User | None:
    """Who asks, or None for a stranger."""
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if token and token not in the_hub(request).users:
        raise refused(401, "Invalid credentials in Authorization header")
    return the_hub(request).users.get(token)


Asking = Annotated[User | None, Depends(asking)]


async def readable(request: Request, user: Asking, owner: str, name: str, kind: str = "models") -> Repo:
    """A repository that this user may see: one that he may not see is as good as none."""
    repo = the_hub(request).repos.get((kind.removesuffix("s"), f"{owner}/{name}"))
    if not repo or (repo.private and (not user or user.name != repo.owner)):
        raise refused(404 if user else 401, "Repository not found", "RepoNotFound")
    return repo


Readable = Annotated[Repo, Depends(readable)]


async def writable(repo: Readable, user: Asking) -> Repo:
    """A repository that this user may change."""
    if not user:
        raise refused(401, "Invalid username or password.")
    if user.name != repo.owner or user.role != "write":
        raise refused(403, "You don't have the required permissions to perform this action")
    return repo


Writable = Annotated[Repo, Depends(writable)]


def at(repo: Repo, revision: str) -> Commit:
    """The commit of a branch or by its name."""
    found = [c for c in reversed(repo.commits) if revision in ("main", c.oid)]
    if not found:
        raise refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    return found[0]
