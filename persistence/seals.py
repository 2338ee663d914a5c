"""Seals: which journals were replayed and agreed, so that a replay is only repeated where anything has changed since.

A digest is taken of every byte that `verify` compares and of the program that compares it. The same bytes replayed by
the same program give the same answer, so what is sealed with the same digest needs no replay. Whatever else is there,
an edit behind the engine's back included, has another digest and is replayed in full. Like the chains of hashes, seals
are no signature: whoever can write both the rows and this table can forge both.
"""

import logging
import marshal
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache
from hashlib import sha256
from importlib.metadata import version
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from sqlalchemy import Connection, select
from sqlmodel import SQLModel

from pathway.engine import Engine
from pathway.errors import StoreError
from persistence import models
from persistence.bulk import upsert
from persistence.database import Database
from persistence.registry import table

log = logging.getLogger(__name__)

ROOT = Path(__file__).parents[1]
# What an episode's rows are made by, and compared by.
PROGRAM = ("pathway", "persistence")
COMPARED: tuple[type[SQLModel], ...] = (
    models.Entry,
    models.Timer,
    models.Task,
    models.Referral,
    models.Alert,
    models.Contact,
    models.LookAgain,
    models.Move,
    models.Reminder,
)
# What no journal tells: how often an episode failed, and the story of a message's delivery.
LEFT_OUT = {
    "episode": {"failures", "failed_because", "retry_at"},
    "reminder": {"outcome", "because", "attempts", "try_at", "due_at", "settled_at"},
}


def digests(connection: Connection, under: str, places: Mapping[str, tuple[str, int]]) -> dict[str, str]:
    """Of each of these episodes with its place, which follow one another in the database's order of ids without a gap,
    `under` a program."""
    begun = {name: sha256(f"{under} {place}".encode()) for name, place in places.items()}
    names = list(places)
    everything: tuple[type[SQLModel], ...] = (models.Episode, *COMPARED)
    for model in everything:
        for name, written in _written(connection, model, names[0], names[-1]):
            # The rows of an episode that is gone may lie between.
            if name in begun:
                begun[name].update(written)
    return {name: found.hexdigest() for name, found in begun.items()}


def _written(connection: Connection, model: type[SQLModel], first: str, last: str) -> Iterable[tuple[str, bytes]]:
    """The rows of each episode as bytes, just as the driver gives them: nothing is made of them."""
    plain = connection.dialect.name == "sqlite"
    rows = connection.exec_driver_sql(_statement(model, "?" if plain else "%s"), (first, last)).cursor
    for episode, found in groupby(rows.fetchall(), itemgetter(0)):
        mine = list(found)
        # The second version of marshal says the same of equal values; it knows no instants, which PostgreSQL gives.
        yield episode, marshal.dumps(mine, 2) if plain else repr(mine).encode()


@lru_cache(maxsize=64)
def _statement(model: type[SQLModel], mark: str) -> str:
    target = table(model)
    key = "id" if model is models.Episode else "episode_id"
    left_out = LEFT_OUT.get(target.name, set())
    others = [f'"{column.name}"' for column in target.columns if column.name not in {key, *left_out}]
    order = [f'"{column.name}"' for column in target.primary_key.columns if column.name != key]
    ordered = ", ".join([f'"{key}"', *order])
    columns = ", ".join([f'"{key}"', *others])
    return f'SELECT {columns} FROM "{target.name}" WHERE "{key}" >= {mark} AND "{key}" <= {mark} ORDER BY {ordered}'


def program(engine: Engine) -> str:
    """What would make a replay of the same bytes give another answer: the code, the rules, the profiles, the parts."""
    parts = repr(engine.guideline), repr(sorted(engine.profiles.items())), _code(), platform.python_version()
    return sha256("\n".join((*parts, version("transitions"))).encode()).hexdigest()


@cache
def _code() -> str:
    found = sha256()
    for folder in PROGRAM:
        for file in sorted((ROOT / folder).rglob("*.py")):
            found.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return found.hexdigest()


def sealed(connection: Connection, ids: Sequence[str]) -> Mapping[str, str]:
    """The digest with which each of these episodes agreed last; those that never did are not among them."""
    seals = table(models.Seal)
    query = select(seals.c.episode_id, seals.c.digest).where(seals.c.episode_id.in_(ids))
    return {row.episode_id: row.digest for row in connection.execute(query)}


def seal(database: Database, agreed: Mapping[str, str], at: datetime) -> None:
    """Keep the digests of those that agree. Where nothing can be written now, they are replayed again next time."""
    rows = [{"episode_id": name, "digest": digest, "agreed_at": at} for name, digest in agreed.items()]
    try:
        with database.writing() as connection:
            upsert(connection, models.Seal, rows)
    except StoreError as error:
        log.info("what agrees is not sealed: %s", error)
