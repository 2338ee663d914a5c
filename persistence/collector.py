"""Pausing Python's search for cycles of garbage where much is made at once and almost none of it is cyclic."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_collector() -> Iterator[None]:
    """For one batch. What goes is freed all the same; without the pause a third of the time went on looking at what
    stays. Threads may pause at the same time: whoever found it running sets it going again."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
