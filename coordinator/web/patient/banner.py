"""Who the page is about: the banner of every page and dialog of a patient, by the rules of the NHS user interface."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, select

from coordinator.web.text import _
from pathway.calendar import local_date
from pathway.engine import Case
from pathway.episode import Episode
from pathway.journal import Entry
from persistence import models
from persistence.names import full_name
from persistence.store import Store, table

DECEASED = "DECEASED"


@dataclass(frozen=True, slots=True)
class Banner:
    """`alike`: how many other patients have the same name. `died_on` is None where the day is not known."""

    patient: str
    name: str
    birth_date: date | None
    sex: str | None
    alike: int
    deceased: bool = False
    died_on: date | None = None

    def aged_on(self, today: date) -> date:
        """The day for which an age is shown: for the dead it stops."""
        return self.died_on or today


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one episode is: what stands under the name."""

    n: int
    id: str
    state: str
    sub: str | None
    since: datetime | None
    days: int | None
    level: str | None
    onset: date
    onset_says: str
    owner: str | None
    last_contact: date | None
    last_outcome: str
    profile: str
    version: int


def banner(store: Store, case: Case) -> Banner:
    person, alike = _identity(store, case.patient)
    dead = [episode for episode in case.episodes if episode.state == DECEASED]
    name = full_name(person.surname, person.given)
    died = _died_on(store, dead[-1]) if dead else None
    return Banner(case.patient, name, person.birth_date, person.sex, alike, bool(dead), died)


def _identity(store: Store, patient: str) -> tuple[Any, int]:
    people = table(models.Patient)
    with store.database.reading() as connection:
        person = connection.execute(select(people).where(people.c.id == patient)).one()
        same = (people.c.name_key == person.name_key) & (people.c.id != patient) & people.c.merged_into.is_(None)
        count = select(func.count()).select_from(people).where(same)
        return person, (connection.scalar(count) or 0) if person.surname else 0


def _died_on(store: Store, episode: Episode) -> date | None:
    for entry in reversed(store.journal(episode.id)):
        if entry.kind == "admin" and entry.step.kind == "death" and entry.refusal is None:
            stated = entry.step.data.get("date")
            return date.fromisoformat(stated) if stated else None
    return None


def standing(episode: Episode, entries: Sequence[Entry], at: datetime) -> Standing:
    """Where the episode is, read from its journal up to that instant."""
    moves = [e.recorded_at for e in entries if any(effect["event"] == "transition" for effect in e.effects)]
    since = moves[-1] if moves else None
    days = (episode.today(at) - local_date(since, episode.zone)).days if since else None
    when, outcome = _last_contact(episode, entries)
    says = {
        "month_earliest": _("only the month is known"),
        "identification_fallback": _("date not known, identification stands in"),
    }.get(episode.onset_source, "")
    return Standing(
        episode.n,
        episode.id,
        episode.state,
        episode.sub,
        since,
        days,
        episode.level,
        episode.onset,
        says,
        episode.owner,
        when,
        outcome,
        episode.profile,
        episode.seq,
    )


def _last_contact(episode: Episode, entries: Sequence[Entry]) -> tuple[date | None, str]:
    """The last talk or try that was not taken back."""
    standing_lines = {contact.seq: contact for contact in episode.contacts if not contact.retracted}
    latest: tuple[date | None, str] = (None, "")
    for entry in entries:
        for effect in entry.effects:
            if effect["event"] == "contact" and entry.seq in standing_lines:
                latest = (local_date(entry.occurred_at, episode.zone), effect["outcome"])
    return latest
