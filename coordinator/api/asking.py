"""What a question may name: an instant of the past, a number of days, words that a database can take."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import AwareDatetime, BeforeValidator

from coordinator.api.door import Caller
from coordinator.api.problems import Problem

# A sign that no text in a database can hold.
NO_NUL = r"^[^\x00]*$"
SKEW = timedelta(minutes=5)


def _written_instant(value: Any) -> Any:
    """A number is no instant: it would be read as seconds since 1970."""
    if isinstance(value, str) and not re.match(r"\d{4}-\d{2}-\d{2}[Tt ]", value):
        raise ValueError("expected an instant with its offset, such as 2026-03-03T08:00:00Z")
    return value


Instant = Annotated[AwareDatetime, BeforeValidator(_written_instant)]
AsOf = Annotated[
    Instant | None,
    Query(description="Answer as it was known at that instant (with its offset); the future is refused"),
]
PatientPath = Annotated[
    str, Path(max_length=200, pattern=NO_NUL, description="The service's own identifier", examples=["9990000018"])
]
EpisodePath = Annotated[
    str, Path(max_length=220, pattern=NO_NUL, description="Patient and number", examples=["9990000018-1"])
]
Word = Annotated[str | None, Query(max_length=200, pattern=NO_NUL)]
Typed = Annotated[
    str,
    Query(
        max_length=200, pattern=NO_NUL, description="Parts of the name, the number or the date of birth, as on screens"
    ),
]
DryRun = Annotated[bool, Query(description="Only say what it would do; nothing is saved, not even a refusal")]


def known_at(caller: Caller, as_of: datetime | None) -> datetime | None:
    """The instant in UTC; raises Problem (422) for one that nobody knows yet or that no calendar has."""
    if as_of is None:
        return None
    try:
        found = as_of.astimezone(UTC)
    except OverflowError as error:
        raise Problem("malformed", "query.as_of: outside the calendar; expected such as 2026-03-03T08:00Z.") from error
    if found > caller.now + SKEW:
        raise Problem("malformed", "query.as_of: lies in the future, which nobody knows; see /preview instead.")
    return min(found, caller.now)
