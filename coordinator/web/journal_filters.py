"""Which lines of the journals are asked for, as an address says it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

from coordinator.web.text import _
from coordinator.web.typed import typed_day
from pathway.calendar import zone_named
from pathway.journal import ROLES
from persistence.audit import Asked, Place

NAMES = ("patient", "episode", "by", "actor", "kind", "refused", "first", "last")


@dataclass(frozen=True, slots=True)
class JournalFilters:
    """`typed` is what stands in the form; `faults` say what of it is not understood, and was left out."""

    typed: Mapping[str, str]
    asked: Asked
    after: Place | None
    faults: Mapping[str, str]

    def address(self, path: str, **more: str) -> str:
        query = urlencode({**{name: value for name, value in self.typed.items() if value}, **more})
        return f"{path}?{query}" if query else path

    def next(self, place: Place) -> str:
        return self.address("/audit", after="~".join((place[0].isoformat(), place[1], str(place[2]))))


def journal_filters(given: Mapping[str, str], today: date, zone: str) -> JournalFilters:
    typed = {name: given.get(name, "").strip() for name in NAMES}
    faults: dict[str, str] = {}

    def day(name: str, plus: int) -> datetime | None:
        """The beginning of that local day, or of the day after it."""
        if not typed[name]:
            return None
        found = typed_day(typed[name], today)
        if isinstance(found, str):
            faults[name] = found
            return None
        return datetime.combine(found + timedelta(days=plus), time(0), zone_named(zone)).astimezone(UTC)

    if typed["actor"] and typed["actor"] not in ROLES:
        faults["actor"] = _("There is no such role.")
    asked = Asked(
        patient=typed["patient"].replace(" ", "") or None,
        episode=typed["episode"] or None,
        kind=typed["kind"] or None,
        actor=typed["actor"] if typed["actor"] in ROLES else None,
        by=typed["by"] or None,
        refused=typed["refused"] == "1",
        since=day("first", 0),
        until=day("last", 1),
    )
    return JournalFilters(typed, asked, _place(given.get("after", "")), faults)


def _place(text: str) -> Place | None:
    at, _tilde, rest = text.partition("~")
    episode, _tilde, seq = rest.rpartition("~")
    try:
        found = datetime.fromisoformat(at)
    except ValueError:
        return None
    return (found, episode, int(seq)) if found.tzinfo and episode and seq.isdigit() else None
