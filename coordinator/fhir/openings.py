"""Opening what was named: a file or a folder, packed or not, with a bound on what may come out of it."""

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

ENDINGS = (".json", ".ndjson", ".jsonl", ".json.gz", ".ndjson.gz", ".jsonl.gz")
MEGABYTE = 1 << 20
# Real exports pack 15 to 50 times, a bomb a thousand times.
MOST_BYTES = 64 << 30
RATIO_FROM = 64 * MEGABYTE
RATIO = 200
PACKED = b"\x1f\x8b"
OTHERS = {
    b"PK\x03\x04": "is a zip archive; unpack it and import the folder",
    b"<": "is XML; expected JSON or NDJSON",
    b"%PDF": "is a PDF; expected JSON or NDJSON",
}


class Unreadable(Exception):
    """What stopped the reading, in words that follow the file's name."""


@dataclass(frozen=True, slots=True)
class Named:
    """A file to read and the name by which it is spoken of."""

    path: Path
    name: str
    size: int


def files_of(path: Path) -> tuple[list[Named], list[str]]:
    """The files of a folder in the order of their names, or the one file; and the names that were left alone."""
    if not path.is_dir():
        return [_named(path, path.name)], []
    found, others = [], []
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path).as_posix()
        if not file.is_file() or any(part.startswith(".") for part in file.relative_to(path).parts):
            continue
        if name.lower().endswith(ENDINGS):
            found.append(_named(file, name))
        else:
            others.append(_spoken(name))
    return found, others


def _named(path: Path, name: str) -> Named:
    return Named(path, _spoken(name), path.stat().st_size)


def _spoken(name: str) -> str:
    # A name that is no UTF-8 could not be written into any journal.
    return os.fsencode(name).decode("utf-8", errors="replace")


class Bounded:
    """A file's bytes, unpacked where it is packed; raises Unreadable for a bomb or a damaged archive."""

    def __init__(self, raw: BinaryIO, stream: Any, *, packed: bool) -> None:
        self._raw, self._stream, self._packed = raw, stream, packed
        self._out = 0

    @property
    def consumed(self) -> int:
        """How far into the file itself, for a progress bar."""
        return self._raw.tell()

    def read(self, size: int) -> bytes:
        return self._counted(self._asked(self._stream.read, size))

    def line(self, longest: int) -> bytes:
        return self._counted(self._asked(self._stream.readline, longest))

    def again(self) -> None:
        """Back to the beginning."""
        self._stream.seek(0)
        self._out = 0

    def _asked(self, how: Any, size: int) -> bytes:
        try:
            found: bytes = how(size)
        except EOFError:
            raise Unreadable("ends in the middle of its compressed data") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise Unreadable(f"is damaged: {error}") from None
        return found

    def _counted(self, data: bytes) -> bytes:
        self._out += len(data)
        if self._packed and self._out > RATIO_FROM and self._out > RATIO * max(self._raw.tell(), 1):
            raise Unreadable(f"unpacks to more than {RATIO} times its size, which no export does; it was not read on")
        if self._out > MOST_BYTES:
            raise Unreadable(f"unpacks to more than {MOST_BYTES >> 30} GB; divide it")
        return data


@contextmanager
def opened_file(named: Named) -> Iterator[Bounded]:
    """The bytes of a file; raises Unreadable where they cannot be what we read."""
    try:
        raw = named.path.open("rb")
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror})") from None
    with raw:
        start = raw.read(4)
        raw.seek(0)
        for magic, because in OTHERS.items():
            if start.startswith(magic):
                raise Unreadable(because)
        packed = start.startswith(PACKED)
        if not packed:
            yield Bounded(raw, raw, packed=False)
            return
        with gzip.GzipFile(fileobj=raw) as stream:
            yield Bounded(raw, stream, packed=True)
