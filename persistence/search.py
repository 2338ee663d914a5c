"""Finding a patient: parts of the name in any order, the identifier, the date of birth, or any of them together."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, false, func, or_, select, union_all

from persistence import models
from persistence.dialects import begins_with, not_by_index
from persistence.names import full_name, name_key
from persistence.registry import table
from persistence.store import Store

PEOPLE, EPISODES = table(models.Patient), table(models.Episode)
MOST = 50
# So many are counted; of more it is said that there are more, since nobody reads on there.
COUNTED = 200
# Day first, as everywhere in the house; the year has four digits, so that nobody is born in the wrong century.
DATES = (r"\d{1,2}-[A-Za-z]{3}-\d{4}", r"\d{1,2}/\d{1,2}/\d{4}", r"\d{4}-\d{2}-\d{2}")
FORMS = ("%d-%b-%Y", "%d/%m/%Y", "%Y-%m-%d")


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one episode of somebody is."""

    episode: str
    n: int
    state: str
    sub: str | None
    owner: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """Somebody who fits what was typed. `alike`: another patient has the same name; `formerly`: the numbers of
    records that were merged into this one."""

    patient: str
    name: str
    birth_date: date | None
    sex: str | None
    alike: bool
    episodes: tuple[Standing, ...]
    formerly: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Search:
    """The first of those who fit, by name, and how many fit in all: one more than COUNTED where there are more."""

    people: tuple[Found, ...]
    total: int


def search(store: Store, typed: str, limit: int = MOST) -> Search:
    """Everybody who fits all of what was typed; nobody where nothing was.

    A record that was merged into another is found as that other one, by its old number and name too.
    """
    fits = and_(fitting(typed), not_by_index(PEOPLE.c.merged_into) == "")
    with store.database.snapshot() as connection:
        query = select(PEOPLE, _alike().label("alike")).where(fits)
        rows = connection.execute(query.order_by(PEOPLE.c.name_key, PEOPLE.c.id).limit(limit)).all()
        total = len(rows) if len(rows) < limit else _counted(connection, fits)
        standings = _standings(connection, [row.id for row in rows])
        formerly = _formerly(connection, [row.id for row in rows])
    people = (
        Found(
            row.id,
            full_name(row.surname, row.given),
            row.birth_date,
            row.sex,
            bool(row.alike),
            tuple(standings.get(row.id, ())),
            tuple(formerly.get(row.id, ())),
        )
        for row in rows
    )
    return Search(tuple(people), total)


def _counted(connection: Connection, fits: ColumnElement[bool]) -> int:
    first = select(PEOPLE.c.id).where(fits).limit(COUNTED + 1).subquery()
    return connection.scalar(select(func.count()).select_from(first)) or 0


def fitting(typed: str) -> ColumnElement[bool]:
    """The condition on a patient that what was typed stands for: it fits them, or a record merged into theirs."""
    return or_(_fitting(typed, PEOPLE), PEOPLE.c.id.in_(_merged(typed)))


def numbers_fitting(typed: str) -> Any:
    """The numbers of the same people, as a list: for what is looked up by them. PostgreSQL takes half of everybody to
    fit one thing or the other, and few to stand in a list."""
    asked = PEOPLE.alias("asked")
    return union_all(select(asked.c.id).where(_fitting(typed, asked)), _merged(typed))


def _merged(typed: str) -> Select[Any]:
    """Into which records those were merged that fit."""
    former = PEOPLE.alias("former")
    # More than nothing, which leads to the few that were merged; "not null" would look at everybody.
    return select(former.c.merged_into).where(former.c.merged_into > "", _fitting(typed, former))


def _fitting(typed: str, people: Any) -> ColumnElement[bool]:
    words = typed.replace(",", " ").split()
    born = {word: day for word in words if (day := typed_date(word)) is not None}
    impossible = any(_looks_like_a_date(word) and word not in born for word in words)
    if not words or impossible:
        return false()
    rest = [word for word in words if word not in born]
    # Spaces inside an identifier are how people read it aloud.
    number = "".join(word for word in rest if any(c.isdigit() for c in word))
    names = [word for word in rest if not any(c.isdigit() for c in word)]
    fits = [people.c.birth_date == day for day in born.values()]
    fits += [_identified(number, people)] if number else []
    fits += [or_(_named(word, people), _identified(word, people)) for word in names]
    return and_(*fits)


def typed_date(word: str) -> date | None:
    """dd-Mmm-yyyy, dd/mm/yyyy or yyyy-mm-dd; None for anything else, a day that does not exist too."""
    for form in FORMS:
        try:
            return datetime.strptime(word, form).date()  # noqa: DTZ007 a date of birth has no zone
        except ValueError:
            continue
    return None


def _looks_like_a_date(word: str) -> bool:
    return any(re.fullmatch(shape, word) for shape in DATES)


def _named(word: str, people: Any) -> ColumnElement[bool]:
    """Each part of what was typed begins a part of the name."""
    parts = name_key(word).split()
    return and_(*(people.c.name_key.contains(f" {part}", autoescape=True) for part in parts)) if parts else false()


def _identified(number: str, people: Any) -> ColumnElement[bool]:
    spellings = dict.fromkeys((number, number.upper()))
    return or_(*(begins_with(people.c.id, spelling) for spelling in spellings))


def _alike() -> ColumnElement[bool]:
    others = PEOPLE.alias("others")
    same = others.c.name_key == PEOPLE.c.name_key, others.c.id != PEOPLE.c.id, others.c.merged_into.is_(None)
    return exists().where(*same, PEOPLE.c.surname != "")


def namesakes(connection: Connection, patients: Iterable[str]) -> set[str]:
    """Those of the patients who share their name with somebody else."""
    query = select(PEOPLE.c.id).where(PEOPLE.c.id.in_(list(patients)), _alike())
    return set(connection.scalars(query))


def _formerly(connection: Connection, patients: list[str]) -> dict[str, list[str]]:
    query = select(PEOPLE.c.id, PEOPLE.c.merged_into).where(PEOPLE.c.merged_into.in_(patients)).order_by(PEOPLE.c.id)
    found: dict[str, list[str]] = {}
    for row in connection.execute(query):
        found.setdefault(row.merged_into, []).append(row.id)
    return found


def _standings(connection: Connection, patients: list[str]) -> dict[str, list[Standing]]:
    columns = [EPISODES.c[name] for name in ("patient_id", "id", "n", "state", "sub", "owner")]
    query = select(*columns).where(EPISODES.c.patient_id.in_(patients)).order_by(EPISODES.c.patient_id, EPISODES.c.n)
    found: dict[str, list[Standing]] = {}
    for patient, *standing in connection.execute(query):
        found.setdefault(patient, []).append(Standing(*standing))
    return found
