"""How much a program may ask: so many calls a minute for each token, and so many bytes at once.

The counts are kept in the memory of the process: behind several processes each counts for itself.
"""

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coordinator.api.problems import Problem
from scheduler.clock import utcnow

LARGEST = 1024 * 1024  # bytes of one request
WRITES = ("POST", "PUT", "PATCH", "DELETE")


class RateLimit:
    def __init__(self, per_minute: int) -> None:
        self.item = RateLimitItemPerMinute(per_minute)
        self._counts = FixedWindowRateLimiter(MemoryStorage())

    def heed(self, who: str) -> None:
        """Count one call; raises Problem (429) with how long to wait where there were too many."""
        if self._counts.hit(self.item, who):
            return
        # The library counts by the machine's own clock, which a rehearsal does not move.
        over = self._counts.get_window_stats(self.item, who).reset_time
        wait = max(1, round(over - utcnow().timestamp()))
        detail = f"More than {self.item.amount} calls in a minute with this token; wait {wait} s. Nothing was saved."
        raise Problem("too-many", detail, headers={"Retry-After": str(wait)})


class Bounded:
    """Refuses a body that is too large or no JSON before anything reads it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in WRITES:
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        problem = _too_large(headers.get("content-length", "")) or _not_json(headers)
        if problem is None:
            body = await _read(receive)
            if body is not None:
                await self.app(scope, _replay(body, receive), send)
                return
            problem = _size_problem()
        await problem.response()(scope, receive, send)


def _too_large(length: str) -> Problem | None:
    return _size_problem() if length.isdigit() and int(length) > LARGEST else None


def _size_problem() -> Problem:
    return Problem("too-large", f"A request holds at most {LARGEST} bytes; this one has more. Nothing was saved.")


def _not_json(headers: dict[str, str]) -> Problem | None:
    """A write without a body needs no type."""
    empty = headers.get("content-length") in (None, "0") and "transfer-encoding" not in headers
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if empty or kind == "application/json":
        return None
    found = f"found {kind}" if kind.isascii() and kind else "none was named"
    return Problem("not-json", f"The body must be application/json; {found}. Nothing was saved.")


async def _read(receive: Receive) -> bytes | None:
    """The whole body, or None as soon as it is too large."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LARGEST:
            return None
        if not message.get("more_body", False):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
