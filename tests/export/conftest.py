from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from persistence.store import Person, Store
from tests.journeys.people import examined, observed, pain, registered, scanned
from tests.persistence.shelf import OPENED, ZONE, store_on, tell

NOW = datetime(2026, 3, 16, 7, 30, tzinfo=UTC)
# A name and words that a spreadsheet would take for formulas, and one that already has the mark of the file.
EVIL = ("=SUM(A1)", "+1", "-2", "@cmd", "\tx", "\rx", "\nx", "＝1", "'quoted", "O'Brien", 'say "no", twice')


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """Two people: one of whom much is known, one of whom next to nothing."""
    with store_on(url) as found:
        tell(found, registered(owner="=Desk"), examined(), scanned("2026-01-05"), pain(6), patient="P1")
        tell(found, observed("dxa", t_score=-2.9, site="hip", date="2026-01-04"), patient="P1")
        found.name_person(Person("P1", ZONE, "default", "=Sample", "+Ada"))
        bare = registered(None, birth_date=None, sex=None)
        tell(found, bare, patient="-2")
        found.settle(NOW)
        yield found


__all__ = ["NOW", "OPENED"]
