"""Pages by cursor: a page goes on after the last thing of the page before it, however many came in since."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from coordinator.api.problems import Problem

Item = TypeVar("Item")
USUAL, MOST = 50, 500
LONGEST_CURSOR = 600

Limit = Annotated[int, Query(ge=1, le=MOST, description="At most so many items")]
Cursor = Annotated[
    str | None,
    Query(max_length=LONGEST_CURSOR, description="`next` of the page before; opaque, and good for the same question"),
]


class Page(BaseModel, Generic[Item]):
    """A page of a list. `next` is the cursor of the page after it; null on the last."""

    items: list[Item]
    next: str | None = Field(default=None, description="Cursor of the next page; null on the last")


def sealed(*place: Any) -> str:
    """A cursor that stands for a place in an order."""
    return base64.urlsafe_b64encode(json.dumps(place, separators=(",", ":")).encode()).decode().rstrip("=")


def opened(cursor: str | None, *readers: Callable[[Any], Any]) -> tuple[Any, ...] | None:
    """The place of a cursor, each part read by its reader; raises Problem (422) for one that is not ours."""
    if cursor is None:
        return None
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
        if not isinstance(place, list) or len(place) != len(readers):
            raise ValueError
        return tuple(reader(part) for reader, part in zip(readers, place, strict=True))
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError, binascii.Error) as error:
        detail = "query.cursor: this is no cursor of this list; expected the `next` of the page before, or none."
        raise Problem("malformed", detail) from error


def text(value: Any) -> str:
    """A part of a cursor that must be text."""
    if not isinstance(value, str) or "\x00" in value:
        raise ValueError
    return value


def number(value: Any) -> int:
    """A part of a cursor that must be a whole number that a database can hold."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise ValueError
    return value


def instant(value: Any) -> datetime:
    """A part of a cursor that must be an instant."""
    found = datetime.fromisoformat(value)
    if found.tzinfo is None:
        raise ValueError
    return found.astimezone(UTC)


def paged(rows: Sequence[Any], limit: int, item: Callable[[Any], Item], place: Callable[[Any], str]) -> Page[Item]:
    """A page of what was read with one row more than is shown."""
    shown = rows[:limit]
    return Page(items=[item(row) for row in shown], next=place(shown[-1]) if len(rows) > limit else None)
