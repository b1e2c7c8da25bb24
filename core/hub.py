"""Repository names of the Hugging Face Hub, retries of calls to it, and its errors as sentences."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from core.atomic import disk_error, disk_is_full
from core.errors import BadInput

REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
TRANSIENT = (408, 429, 500, 502, 503, 504)
CONFLICT = 412  # another commit was made since we looked
WAITS = (1.0, 4.0, 15.0)  # seconds before each retry
XET_STATUS = re.compile(r"HTTP status \w+ error \((\d{3}) ")  # hf_xet reports the status only in its message
MAX_RETRY_AFTER = 60.0  # seconds; there is no retry if the Hub asks for a longer wait
T = TypeVar("T")


def is_repo_id(name: str | Path) -> bool:
    """Whether a name looks like OWNER/NAME on the Hub, and not like a misspelt path in an existing folder."""
    return REPO_ID.fullmatch(str(name)) is not None and not Path(name).exists() and not Path(name).parent.is_dir()


def checked_repo_id(repo: str) -> str:
    """`repo`, if the Hub accepts it as OWNER/NAME; raises BadInput."""
    if not REPO_ID.fullmatch(repo) or ".." in repo or "--" in repo or repo.endswith((".git", ".", "-")):
        raise BadInput(f"{repo!r} is not a name on the Hub; it looks like OWNER/NAME, such as anna/my-pets.")
    return repo


class HubUnreachable(BadInput):
    """Raised when the Hub cannot be reached, or its servers fail."""


def with_retries(repo: str, call: Callable[[], T], waits: Sequence[float] | None = None) -> T:
    """The result of an idempotent `call`, retried after transient errors; raises BadInput with what to do."""
    for wait in (*(WAITS if waits is None else waits), 0.0):
        try:
            return call()
        except BadInput:
            raise
        except Exception as error:  # errors of the client and its two transports have no common base class
            status, pause = _response(error)
            transient = status in (*TRANSIENT, CONFLICT) if status else _is_network_error(error)
            if not (wait and transient) or (pause or 0) > MAX_RETRY_AFTER:
                raise hub_error(repo, error) from None
            time.sleep(wait if pause is None else pause)
    raise AssertionError("the last attempt returns or raises")


def hub_error(repo: str, error: BaseException) -> BadInput:
    """A BadInput for an error of the Hub's client, about a repository or, if `repo` is empty, about signing in."""
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

    status, pause = _response(error)
    for each in _chain(error):
        if isinstance(each, OSError) and disk_is_full(each):
            return disk_error(Path(each.filename or "the cache of the Hub"), each)
    if status:
        return (HubUnreachable if status in TRANSIENT else BadInput)(
            f"{_subject(repo)}{_explanation(status, pause, error)} (the Hub answered {status})."
        )
    if any(isinstance(e, OfflineModeIsEnabled) for e in _chain(error)):
        return HubUnreachable(f"{_subject(repo)}HF_HUB_OFFLINE is set, so the Hub is not used; unset it.")
    if isinstance(error, LocalEntryNotFoundError) or _is_network_error(error):
        return HubUnreachable(f"{_subject(repo)}the Hub cannot be reached; check the network, and try again.")
    return BadInput(f"{_subject(repo)}the Hub does not accept this ({_one_line(error)}); change it and try again.")


def _subject(repo: str) -> str:
    return f"{repo!r}: " if repo else "Signing in: "


def _explanation(status: int, pause: float | None, error: BaseException) -> str:
    if status == 400:
        return f"the Hub does not accept this: {_one_line(getattr(error, 'server_message', None) or error)}; change it"
    again = f"try again in {max(1, round(pause / 60))} min" if pause else "try again later"
    sentences = {
        401: "a valid login is needed; run `hf auth login`, or give another token",
        402: "this needs a paid plan, as a Space on cpu-basic does, or credit, as Jobs do; choose another Space",
        403: "this login has no write access there; use one that has, and a repository in your own namespace",
        404: "there is no such repository, or this login may not see it; check its name",
        409: "it is being changed by someone else; try again",
        CONFLICT: "someone else keeps changing it; try again",
        429: f"too many requests; {again}",
    }
    failing = f"the Hub is failing, even after retries; {again}"
    return sentences.get(status, failing if status >= 500 else "the Hub refuses this; see its page on the Hub")


def _response(error: BaseException) -> tuple[int | None, float | None]:
    """The HTTP status of the Hub's response, if there was one, and its Retry-After in seconds."""
    from huggingface_hub.errors import HfHubHTTPError

    for each in _chain(error):
        if isinstance(each, HfHubHTTPError):
            pause = each.response.headers.get("Retry-After", "")
            return each.response.status_code, float(pause) if pause.isdecimal() else None
        if found := XET_STATUS.search(str(each)):
            return int(found[1]), None
    return None, None


def _is_network_error(error: BaseException) -> bool:
    import httpx2  # the transport of huggingface_hub

    return any(isinstance(e, (httpx2.TransportError, ConnectionError, TimeoutError)) for e in _chain(error)) or (
        type(error) is RuntimeError  # hf_xet, the other transport, raises nothing more specific
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _one_line(error: object) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:200].rstrip(" .")
