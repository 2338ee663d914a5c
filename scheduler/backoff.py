"""When to try again: later each time, up to a limit, and not all at once."""

import hashlib
from datetime import timedelta

FIRST, LONGEST = timedelta(minutes=1), timedelta(minutes=15)


def pause(key: str, attempts: int) -> timedelta:
    """The wait after that many attempts: doubled each time, spread by a quarter either way.

    The spread follows from the key, so that the same story told twice has the same times.
    """
    whole = min(FIRST * 2 ** min(max(attempts, 1) - 1, 16), LONGEST)
    digest = hashlib.sha256(f"{key}\x1f{attempts}".encode()).digest()
    return whole * (0.75 + 0.5 * int.from_bytes(digest[:4]) / 2**32)
