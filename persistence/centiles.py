"""Centiles in SQL that both databases understand: rows numbered inside their group, then the few that count taken."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, select


def numbered(groups: Sequence[ColumnElement[Any]], order: ColumnElement[Any]) -> tuple[Any, Any]:
    """The place of a row in its group, from 1, and how many the group has; as columns `place` and `many`."""
    place = func.row_number().over(partition_by=groups, order_by=order).label("place")
    return place, func.count().over(partition_by=groups).label("many")


def median(rows: Any, value: ColumnElement[Any]) -> ColumnElement[Any]:
    """The middle value, or the mean of the two in the middle."""
    middle = rows.c.place.in_(((rows.c.many + 1) // 2, (rows.c.many + 2) // 2))
    return func.avg(case((middle, value)))


def centile(rows: Any, value: ColumnElement[Any], percent: int) -> ColumnElement[Any]:
    """The least value that so many percent of the group do not exceed."""
    return func.max(case((rows.c.place == (rows.c.many * percent + 99) // 100, value)))


def spread(rows: Any, groups: Sequence[str], value: ColumnElement[Any]) -> Select[Any]:
    """For each group: how many, the 10th centile, the median and the 90th."""
    columns = [rows.c[name] for name in groups]
    found = centile(rows, value, 10), median(rows, value), centile(rows, value, 90)
    return select(*columns, func.count(), *found).group_by(*columns)
