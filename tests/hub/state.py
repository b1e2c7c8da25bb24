"""What a Hub holds: people, repositories and their commits, and the bytes that hf_xet brought."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class User:
    """Somebody's token."""

    name: str
    role: str = "write"
    pro: bool = True


@dataclass(frozen=True)
class File:
    """A file of a repository; `xet_hash` is its name in the xet storage, if it came from there."""

    data: bytes
    lfs: bool
    xet_hash: str | None = None

    @property
    def sha256(self) -> str:
        """The name of its bytes in LFS."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def pointer(self) -> bytes:
        """What git holds instead of a large file."""
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(self.data)}\n".encode()

    @property
    def blob_id(self) -> str:
        """The name that git gives it."""
        blob = self.pointer if self.lfs else self.data
        return hashlib.sha1(b"blob %d\0" % len(blob) + blob).hexdigest()

    @property
    def oid(self) -> str:
        """What tells the client that its file is the same."""
        return self.sha256 if self.lfs else self.blob_id


@dataclass(frozen=True)
class Commit:
    """All files after a commit, and which of them it changed or deleted."""

    oid: str
    summary: str
    changed: tuple[str, ...]
    tree: dict[str, File]


@dataclass
class Repo:
    """A repository, which begins with the commit that the Hub itself makes."""

    kind: str
    id: str
    private: bool = False
    sdk: str | None = None
    hardware: str | None = None
    stage: str = "NO_APP_FILE"
    secrets: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    commits: list[Commit] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)  # by sha256: uploaded, committed or not

    def __post_init__(self) -> None:
        files = {".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"}
        if self.kind == "space":
            files["README.md"] = f"---\ntitle: {self.id.split('/')[1]}\nsdk: {self.sdk}\n---\n".encode()
        self.commit("initial commit", {path: File(data, lfs=False) for path, data in files.items()})

    @property
    def owner(self) -> str:
        """Who may write."""
        return self.id.split("/")[0]

    @property
    def prefix(self) -> str:
        """What stands before its name in an address."""
        return "" if self.kind == "model" else f"{self.kind}s/"

    @property
    def tree(self) -> dict[str, File]:
        """The files as they are now."""
        return self.commits[-1].tree if self.commits else {}

    @property
    def files(self) -> dict[str, bytes]:
        """The bytes of the files as they are now."""
        return {path: file.data for path, file in self.tree.items()}

    def commit(self, summary: str, tree: dict[str, File]) -> Commit:
        """Replace all files at once."""
        changed = tuple(sorted(path for path in {*self.tree, *tree} if self.tree.get(path) != tree.get(path)))
        parent = self.commits[-1].oid if self.commits else ""
        named = [f"{path} {file.blob_id}" for path, file in sorted(tree.items())]
        oid = hashlib.sha1("\n".join([self.kind, self.id, parent, summary, *named]).encode()).hexdigest()
        self.commits.append(Commit(oid, summary, changed, tree))
        if "app.py" in tree:
            self.stage = "RUNNING"
        return self.commits[-1]


@dataclass(frozen=True)
class Stored:
    """A file in the xet storage; `sha256` is empty where its uploader did not say it."""

    xet_hash: str
    sha256: str
    size: int


class XetFolder:
    """The folder where the real hf_xet puts chunks when its server is `local://`."""

    def __init__(self, folder: Path) -> None:
        self.url = f"local://{folder}"
        self._shards = folder / "xet" / "xorbs" / "shards"

    def __iter__(self) -> Iterator[Stored]:
        """Every file that was uploaded, from the shards: a header, then a block of 48-byte records for each file."""
        for shard in self._shards.glob("*.mdb"):
            data, at = shard.read_bytes(), 48
            while data[at : at + 32] != b"\xff" * 32:
                name, (flags, parts) = _hex(data[at : at + 32]), struct.unpack("<II", data[at + 32 : at + 40])
                records = [data[i : i + 48] for i in range(at + 48, at + 48 * (parts + 1), 48)]
                size = sum(struct.unpack("<I", record[36:40])[0] for record in records)
                at += 48 * (1 + parts * (2 if flags >> 31 else 1))  # the second half verifies the first
                known = bool(flags >> 30 & 1)
                yield Stored(name, _hex(data[at : at + 32]) if known else "", size)
                at += 48 if known else 0

    def read(self, stored: Stored) -> bytes:
        """Its bytes, put together again by hf_xet."""
        import hf_xet

        group: Any = hf_xet.XetSession().new_download_stream_group(endpoint=self.url)
        return b"".join(group.download_stream(hf_xet.XetFileInfo(stored.xet_hash, stored.size)))


def _hex(data: bytes) -> str:
    """As xet writes 32 bytes: four little-endian numbers."""
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", data))
