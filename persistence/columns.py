"""The kinds of columns and indexes that the tables are made of."""

from sqlalchemy import Column, Index, String, Text, text

from persistence.utc import UtcDateTime

OPEN = "status = 'open'"
WAITING = "status IN ('pending', 'held')"


def instant(*, null: bool = False, index: bool = False) -> Column:
    return Column(UtcDateTime, nullable=null, index=index)


def long_text(*, null: bool = False) -> Column:
    return Column(Text, nullable=null)


def in_code_order() -> Column:
    """Text in the order in which Python has it, whatever language a server speaks."""
    return Column(String().with_variant(String(collation="C"), "postgresql"), nullable=False)


def if_open(name: str, *columns: str) -> Index:
    """An index of open work only: most tasks are closed, and no list asks for them."""
    return Index(name, *columns, sqlite_where=text(OPEN), postgresql_where=text(OPEN))


def if_waiting(name: str, *columns: str) -> Index:
    """An index of the timers that lie ahead only."""
    return Index(name, *columns, sqlite_where=text(WAITING), postgresql_where=text(WAITING))
