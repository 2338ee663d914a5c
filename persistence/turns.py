"""Whose turn it is to write to a SQLite file: whoever waits says so, and the engine lets them go first.

SQLite lets one writer in at a time, tells nobody who else waits, and has those who wait ask again only after a tenth of
a second: an engine that writes batch after batch would hold everybody up for as long as it has work. So whoever waits
asks every millisecond, and holds a lock on a small file beside the database meanwhile. The lock is the operating
system's and ends with its holder, whatever happens to it. Where there are no such locks, nobody is seen waiting.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep
from types import ModuleType

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:
    # Windows has no such locks.
    fcntl = None

MILLISECOND = 0.001
# However many are waiting, the engine has a turn at least once a second.
MOST_GIVEN = 1000
# For so many batches after somebody had to wait for one to end, a batch is of a few only: some milliseconds each.
HURRIED, FEW = 100, 2


class Turns:
    """`file` is the database's; None for one in memory, or on a server."""

    def __init__(self, file: Path | None) -> None:
        self.file = file.with_name(f"{file.name}-waiting") if file else None
        self._hurried = 0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Others can see that somebody waits until the block ends."""
        handle = self._open(os.O_CREAT)
        try:
            if handle is not None and fcntl is not None:
                with suppress(OSError):
                    fcntl.flock(handle, fcntl.LOCK_SH)
            yield
        finally:
            if handle is not None:
                os.close(handle)

    def somebody_waits(self) -> bool:
        handle = self._open()
        if handle is None or fcntl is None:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            # A disk that has no locks: there nobody is seen waiting either.
            return False
        finally:
            os.close(handle)
        return False

    def give_way(self) -> None:
        """Returns when nobody waits any more, or after a second."""
        for _ in range(MOST_GIVEN):
            if not self.somebody_waits():
                return
            sleep(MILLISECOND)

    def look(self) -> None:
        """At the end of a batch: does somebody wait for it?"""
        self._hurried = HURRIED if self.somebody_waits() else max(0, self._hurried - 1)

    def share(self, limit: int) -> int:
        """How much of a batch to take."""
        return min(limit, FEW) if self._hurried else limit

    def _open(self, how: int = 0) -> int | None:
        """None where there is no such file and none can be made: then nobody is seen waiting."""
        if self.file is None:
            return None
        try:
            # To read is enough for a lock, so that another account's file does as well.
            return os.open(self.file, os.O_RDONLY | how, 0o644)
        except OSError:
            return None
