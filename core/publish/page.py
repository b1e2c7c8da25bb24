"""The files of a page that predicts in the visitor's browser, for any web server: no request leaves it."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from core.model.doubt import read_strangers, read_threshold
from core.model.folder import read_config
from core.publish.onnx import ONNX
from core.runs.run import Run

HERE = Path(__file__).parent / "page"
TITLE = "What is on your photo?"
INDEX, WORKER, ABOUT = "index.html", "sw.js", "page.json"
MANIFEST = {
    "start_url": "./",
    "display": "standalone",
    "background_color": "#fafafb",
    "theme_color": "#4f5bd5",
    "icons": [{"src": "icon.svg", "sizes": "any", "type": "image/svg+xml"}],
}


def page_files(
    run: Run, onnx: bytes, runtime: Mapping[str, bytes], name: str, examples: Sequence[bytes] = ()
) -> dict[str, bytes]:
    """All files of a page called `name` that shows the run's model, `onnx`; `examples` are JPEGs."""
    config, strangers = read_config(run.folder), read_strangers(run.folder)
    shown = {f"examples/{i}.jpg": content for i, content in enumerate(examples, 1)}
    about = {
        "name": name,
        "labels": config.vocab,
        "views": [asdict(view) for view in config.views],
        "mean": config.mean,
        "std": config.std,
        "not_sure_below": read_threshold(run.folder),
        "strangers": strangers and {"neighbours": strangers.neighbours, "threshold": strangers.threshold},
        "examples": list(shown),
    }
    files = {str(file.relative_to(HERE).as_posix()): file.read_bytes() for file in HERE.rglob("*") if file.is_file()}
    files |= {f"runtime/{file}": content for file, content in runtime.items()} | shown
    files |= {ONNX: onnx, ABOUT: _json(about), "manifest.webmanifest": _json({"name": name, **MANIFEST})}
    if strangers:
        files["strangers.bin"] = strangers.known.float().cpu().numpy().astype("<f4").tobytes()
    return files | {WORKER: _kept(files) + files[WORKER]}


def zipped(files: Mapping[str, bytes], folder: str) -> bytes:
    """The files as a zip with one folder."""
    with io.BytesIO() as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for name, content in files.items():
                archive.writestr(f"{folder}/{name}", content)
        return stream.getvalue()


def _kept(files: Mapping[str, bytes]) -> bytes:
    """The constants of the service worker, whose text must change with any file of the page.

    A page that is being replaced may be read half old and half new, hence the digests; of HTML, which a web server may
    add to, there are none.
    """
    digests = {name: hashlib.sha256(files[name]).digest() for name in sorted(files)}
    version = hashlib.sha256(b"".join(name.encode() + digest for name, digest in digests.items())).hexdigest()[:16]
    kept = {name: f"sha256-{b64encode(digest).decode()}" for name, digest in digests.items() if _is_kept(name)}
    return f"const VERSION = {_text(version)}, FILES = {_text({**kept, './': '', INDEX: ''})};\n".encode()


def _is_kept(name: str) -> bool:
    return name != WORKER and not name.endswith("LICENSE")


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, indent=1).encode()


def _text(value: object) -> str:
    return json.dumps(value)
