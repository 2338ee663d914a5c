"""What every command shares: the application, the instant of the command, the store, and how values are typed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from coordinator.cli.application import session
from coordinator.cli.output import errors, fail
from coordinator.cohort_file.dates import read_date
from coordinator.settings import Settings
from coordinator.wiring import open_store
from pathway.calendar import show_instant, zone_named
from pathway.facts import FIELDS, LEVELS
from persistence.store import Store

# The mark of a database in which time may be moved; one with real work never carries it.
SIMULATION = "simulation"


def unless_said(usual: str) -> type[TyperGroup]:
    """A group of commands of which one may be called without its name: it is older than its sisters."""

    class UnlessSaid(TyperGroup):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            if args and args[0] not in self.commands and args[0] != "--help":
                args = [usual, *args]
            return super().parse_args(ctx, args)

    return UnlessSaid


@contextmanager
def opened() -> Iterator[tuple[Store, Settings, datetime]]:
    """The store with its settings and the instant of this command; closed afterwards."""
    settings = session.settings()
    store = open_store(settings)
    try:
        if session.simulated and not is_simulation(store):
            made = "made for it (pathway init --simulation, or pathway demo)"
            fail(f"--now moves time, so it works only on a database {made}; nothing was done.")
        if session.simulated:
            errors.print(f"Simulation: it is {show_instant(session.now(settings), settings.zone)}.", markup=False)
        yield store, settings, session.now(settings)
    finally:
        store.database.close()


def is_simulation(store: Store) -> bool:
    return store.job_ran(SIMULATION)


JsonOption = Annotated[bool, typer.Option("--json", help="Answer as JSON, for programs.")]
AsOfOption = Annotated[
    str | None, typer.Option("--as-of", help="Answer as things stood then, e.g. 03-Mar-2026 or 2026-03-03T08:00.")
]
RoleOption = Annotated[str, typer.Option("--as", help="Role in which you act: coordinator or clinician.")]
ByOption = Annotated[str, typer.Option("--by", help="Your name, for the journal.")]


def moment(text: str, zone: str) -> datetime:
    """A local wall time, an ISO time with offset, or a day (its last minute), as a UTC instant."""
    if "T" in text or (":" in text and "-" in text):
        try:
            found = datetime.fromisoformat(text.replace(" ", "T"))
        except ValueError:
            fail(f"{text!r} is not a time; expected one such as 2026-03-03T08:00 or 03-Mar-2026; nothing was done.")
        return (found if found.tzinfo else found.replace(tzinfo=zone_named(zone))).astimezone(UTC)
    end = datetime.combine(typed_day(text) + timedelta(days=1), time(0), zone_named(zone))
    return end.astimezone(UTC) - timedelta(seconds=1)


def known_at(as_of: str | None, settings: Settings, now: datetime) -> datetime | None:
    """The instant of --as-of; the future is not known, so it is refused."""
    if as_of is None:
        return None
    found = moment(as_of, settings.zone)
    if found > now + timedelta(days=1):
        fail(f"--as-of {as_of} lies in the future; use `pathway preview` to look ahead; nothing was done.")
    return min(found, now)


def typed_day(text: str) -> date:
    found = read_date(text, "dmy")
    if not isinstance(found, date):
        fail(f"{text!r} is not a date; expected dd-Mmm-yyyy such as 03-Mar-2026; nothing was saved.")
    return found


def typed_fields(kind: str, pairs: list[str]) -> dict[str, Any]:
    """field=value pairs of an observation as typed values; an unknown field is refused with the list."""
    fields = FIELDS[kind]
    data: dict[str, Any] = {}
    for name, text in split_pairs(pairs):
        if name not in fields and name != "note":
            fail(f"{kind} has no field {name!r}; expected one of {', '.join(fields)}; nothing was saved.")
        data[name] = typed_day(text) if name in fields and fields[name].is_date else typed(text)
    return data


def split_pairs(pairs: list[str]) -> Iterator[tuple[str, str]]:
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            fail(f"{pair!r} is not of the form field=value, such as nrs=6; nothing was saved.")
        yield name.strip().replace("-", "_"), text.strip()


def typed(text: str) -> Any:
    """yes/no, whole and decimal numbers, lists of levels; everything else is text."""
    lowered = text.lower()
    if lowered in ("yes", "true"):
        return True
    if lowered in ("no", "false"):
        return False
    if "," in text or text.upper() in LEVELS:
        return [part.strip().upper() for part in text.split(",") if part.strip()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
