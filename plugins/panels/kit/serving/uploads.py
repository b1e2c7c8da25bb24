"""Middleware that counts uploads while they stream and limits them for each client."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from gradio.utils import get_upload_folder
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from plugins.panels.kit.serving.hourly import Hourly

UPLOAD = "/gradio_api/upload"
FIELD = b"files"  # the only field that gradio uses; files under another name would stay on the disk unused
SPARE = 2**28  # bytes of the disk that must stay free
BLOCK = 4096  # bytes that a file occupies at least


class Disconnected(Exception):
    """The client has disconnected."""


class Uploads:
    """Refuses uploads that are not files, exceed a client's quota, or do not fit on the disk."""

    def __init__(self, app: ASGIApp, limit: int | None) -> None:
        self.app, self.limit = app, limit
        self.received = Hourly()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on an upload as it streams, while it is within the limits."""
        if scope["type"] != "http" or scope["path"] != UPLOAD:
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        address = scope["client"][0]
        parts = Parts(headers.get("content-type", ""))
        declared = headers.get("content-length", "")
        refusal = self._refusal(address, 0, int(declared) if declared.isdecimal() else 0)
        answered = False

        async def counted() -> Message:
            nonlocal refusal
            message = await receive()
            if refusal is None and message["type"] == "http.request" and (body := message.get("body", b"")):
                files = parts.files
                refusal = parts.refusal(body) or self._refusal(address, len(body) + BLOCK * (parts.files - files))
            return message if refusal is None else {"type": "http.disconnect"}

        async def watched(message: Message) -> None:
            nonlocal answered
            if refusal is None:
                answered = True
                await send(message)

        if refusal is None:
            with suppress(ClientDisconnect):
                await self.app(scope, counted, watched)
        if refusal is not None and not answered:
            await PlainTextResponse(*refusal)(scope, receive, send)

    def _refusal(self, address: str, size: int, declared: int = 0) -> tuple[str, int] | None:
        """The message and HTTP status that refuse `size` received or `declared` bytes; None if they are accepted."""
        if shutil.disk_usage(Path(get_upload_folder()).parent).free < SPARE + declared:
            return "The disk has too little room for this file; free some space.", 413
        too_much = self.limit is not None and declared > self.limit
        if too_much or not self.received.take(address, size, self.limit and self.limit - declared):
            return f"You may upload {(self.limit or 0) >> 30} GB an hour; try again later.", 413
        return None


class Parts:
    """Checks the multipart parts of an upload as they stream: each must be a file in FIELD."""

    def __init__(self, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        self.name, self.value, self.disposition = b"", b"", b""
        self.files = 0
        self.strange = kind != b"multipart/form-data"
        with suppress(FormParserError):  # the boundary is too long
            callbacks = {
                "on_part_begin": self._begin,
                "on_header_field": self._field,
                "on_header_value": self._value,
                "on_header_end": self._end_of_header,
                "on_headers_finished": self._end_of_headers,
            }
            self.parser = MultipartParser(options.get(b"boundary", b""), callbacks)  # type: ignore[arg-type]
            return
        self.strange = True

    def refusal(self, body: bytes) -> tuple[str, int] | None:
        """Parse more bytes; returns the message and HTTP status that refuse the upload, or None."""
        try:
            if not self.strange:
                self.parser.write(body)
        except FormParserError:
            self.strange = True
        return ("An upload must only hold files, in the field 'files'.", 400) if self.strange else None

    def _begin(self) -> None:
        self.disposition = b""

    def _field(self, data: bytes, start: int, end: int) -> None:
        self.name += data[start:end]

    def _value(self, data: bytes, start: int, end: int) -> None:
        self.value += data[start:end]

    def _end_of_header(self) -> None:
        if self.name.lower() == b"content-disposition":
            self.disposition = self.value
        self.name = self.value = b""

    def _end_of_headers(self) -> None:
        _, options = parse_options_header(self.disposition)
        self.files += 1
        self.strange |= options.get(b"name") != FIELD or b"filename" not in options
