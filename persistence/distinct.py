"""The values that a column has, each found by one step down an index that begins with it: few values, many rows."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select


def distinct(connection: Connection, column: Any) -> Sequence[str]:
    """In their order, without null."""
    first = select(func.min(column).label("value")).cte("each_value", recursive=True)
    further = select(func.min(column)).where(column > first.c.value).scalar_subquery()
    found = first.union_all(select(further).where(first.c.value.is_not(None)))
    return list(connection.scalars(select(found.c.value).where(found.c.value.is_not(None))))
