"""Merging two records of one person, and taking that back: each in one transaction, all of it or nothing.

No journal is touched. Each episode keeps its identity, its lines and its hashes; what changes is in whose record it
is followed, and under which number there. What was decided stands in the house's own journal, the intake.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from pathway import merging
from pathway.engine import Case
from pathway.episode import Episode
from pathway.errors import NoSuchPatient
from pathway.journal import Entry, Refusal, Step, plain
from persistence import models
from persistence.database import in_turn
from persistence.intake import write_intake
from persistence.merges import MERGES, MOVED, Merged, goes_on, merge_named, moved_by, standing_merge
from persistence.registry import table
from persistence.store import Store

EPISODES, PEOPLE = table(models.Episode), table(models.Patient)
# Rows that say whose an episode is beside the episode itself.
OF_A_PERSON = (models.Contact, models.Reminder)
MAY = ("coordinator", "clinician")


@dataclass(frozen=True, slots=True)
class Asked:
    """Two records to be made one, by whom and why.

    `goes_on`: the ids of episodes that a person named where two may be about one fracture. `seen`: the versions of
    the episodes that the person had before their eyes.
    """

    surviving: str
    retired: str
    because: str
    by: str
    actor: str = "coordinator"
    goes_on: frozenset[str] = frozenset()
    seen: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Undoing:
    """A merge to be taken back, by whom and why."""

    merge: int
    because: str
    by: str
    actor: str = "coordinator"


class _Refused(Exception):
    """Ends the transaction, so that nothing of it is kept; the refusal is written in one of its own."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal


def merge(store: Store, asked: Asked, at: datetime) -> Merged | Refusal:
    """The record `retired` goes on in the record `surviving`; or why it does not, which is journalled."""
    step = Step("merge", "", {**_plain(asked, "surviving", "retired"), "reason": asked.because}, asked.actor, asked.by)
    try:
        with store.database.writing() as connection:
            _in_turn(connection, asked.surviving, asked.retired)
            return _merge(store, connection, asked, step, at)
    except _Refused as refused:
        return _kept(store, asked.surviving, step, at, refused.refusal)


def unmerge(store: Store, asked: Undoing, at: datetime) -> Merged | Refusal:
    """Both records are as they were, with what is owed; or why they are not."""
    step = Step("unmerge", "", {"merge": asked.merge, "reason": asked.because}, asked.actor, asked.by)
    with store.database.reading() as connection:
        found = merge_named(connection, asked.merge)
    try:
        if found is None:
            raise _Refused(Refusal("STATE", f"there is no merge {asked.merge}; nothing was saved"))
        with store.database.writing() as connection:
            _in_turn(connection, found.surviving, found.retired)
            return _unmerge(store, connection, asked, step, at)
    except _Refused as refused:
        return _kept(store, found.surviving if found else "", step, at, refused.refusal)


def _in_turn(connection: Connection, *numbers: str) -> None:
    """In one order, or two merges of the same records would wait for each other."""
    for number in sorted(numbers):
        in_turn(connection, f"patient {number}")


def _plain(asked: Asked, *names: str) -> dict[str, str]:
    return {name: getattr(asked, name) for name in names}


# ---------------------------------------------------------------- merging


def _merge(store: Store, connection: Connection, asked: Asked, step: Step, at: datetime) -> Merged:
    _require(_unsaid(asked.because, asked.by, asked.actor) or _not_two_records(connection, asked))
    mine, theirs = _case(store, connection, asked.surviving), _case(store, connection, asked.retired)
    _require(_not_to_be_joined(asked, mine, theirs))
    found = merging.pairs(mine.episodes, theirs.episodes, store.engine.guideline)
    resting = merging.resting(found, asked.goes_on)
    if isinstance(resting, Refusal):
        raise _Refused(resting)
    for episode, stays in resting:
        rest = merging.put_to_rest(stays, asked.because, asked.actor, asked.by)
        _require(store.record_within(connection, episode.patient, rest, at, episode_n=episode.n).refusal)
    made = _made(connection, asked, [episode.id for episode, _ in resting], at)
    _move(connection, made, mine, theirs)
    went = (PEOPLE.c.id == asked.retired) | (PEOPLE.c.merged_into == asked.retired)
    connection.execute(update(PEOPLE).where(went).values(merged_into=asked.surviving))
    _journal(connection, asked.surviving, step, at, {"event": "merged", **step.data, "rested": list(made.rested)})
    return made


def _require(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise _Refused(refusal)


def _unsaid(because: str, by: str, actor: str) -> Refusal | None:
    if actor not in MAY:
        return Refusal("ROLE", f"merging records needs a {' or a '.join(MAY)}; nothing was saved")
    if not because.strip() or not by.strip():
        return Refusal("REASON_REQUIRED", "merging records needs a reason and a name; nothing was saved")
    return None


def _not_two_records(connection: Connection, asked: Asked) -> Refusal | None:
    if asked.surviving == asked.retired:
        return Refusal("STATE", f"{asked.surviving} is one record already; name two numbers; nothing was saved")
    for number in (asked.surviving, asked.retired):
        standing = standing_merge(connection, number)
        if standing is not None:
            because = f"{number} goes on as {standing.surviving} since it was merged by {standing.by}"
            return Refusal("STATE", f"{because}; name that number, or take that merge back first; nothing was saved")
    return None


def _case(store: Store, connection: Connection, number: str) -> Case:
    try:
        return store.case_within(connection, number, held=True)
    except NoSuchPatient:
        raise _Refused(Refusal("STATE", f"there is no patient {number}; nothing was saved")) from None


def _not_to_be_joined(asked: Asked, mine: Case, theirs: Case) -> Refusal | None:
    if merging.dead_and_alive(mine.episodes, theirs.episodes):
        because = f"of {mine.patient} and {theirs.patient} only one is recorded as deceased"
        return Refusal("CONTRADICTION", f"{because}; record the death in both, or correct it, and then merge them")
    known = {episode.id: episode.seq for case in (mine, theirs) for episode in case.episodes}
    unknown = sorted(asked.goes_on - known.keys())
    if unknown:
        because = f"{', '.join(unknown)} is no episode of {mine.patient} or {theirs.patient}"
        return Refusal("OUT_OF_RANGE", f"{because}; expected one of {', '.join(known)}; nothing was saved")
    changed = sorted(name for name, version in asked.seen.items() if known.get(name) != version)
    if changed or (asked.seen and known.keys() - asked.seen.keys()):
        because = f"the records have changed since they were shown ({', '.join(changed) or 'another episode'})"
        return Refusal("STATE", f"{because}; look at them again; nothing was saved")
    return None


def _made(connection: Connection, asked: Asked, rested: Sequence[str], at: datetime) -> Merged:
    row = {
        **_plain(asked, "surviving", "retired", "because"),
        "merged_at": at,
        "merged_by": asked.by,
        "rested": json.dumps(list(rested)),
        "undone_by": "",
        "undone_because": "",
    }
    number = connection.execute(insert(MERGES).values(**row)).inserted_primary_key
    assert number is not None
    made = merge_named(connection, number[0])
    assert made is not None
    return made


def _move(connection: Connection, made: Merged, mine: Case, theirs: Case) -> None:
    """The episodes of the one after those of the other, in their order."""
    n = max((episode.n for episode in mine.episodes), default=0)
    for offset, episode in enumerate(theirs.episodes, 1):
        moved = {"merge_id": made.id, "episode_id": episode.id, "n": n + offset}
        connection.execute(insert(MOVED).values(**moved, was_patient=episode.patient, was_n=episode.n))
        _give(connection, episode.id, made.surviving, n + offset)


def _give(connection: Connection, episode: str, patient: str, n: int) -> None:
    """Whose the episode is from now on. No lock is taken by version: its journal stays as it is."""
    connection.execute(update(EPISODES).where(EPISODES.c.id == episode).values(patient_id=patient, n=n))
    for model in OF_A_PERSON:
        rows = table(model)
        connection.execute(update(rows).where(rows.c.episode_id == episode).values(patient_id=patient))


# ---------------------------------------------------------------- taking it back


def _unmerge(store: Store, connection: Connection, asked: Undoing, step: Step, at: datetime) -> Merged:
    found = merge_named(connection, asked.merge)
    assert found is not None
    _require(_unsaid(asked.because, asked.by, asked.actor) or _not_to_be_parted(connection, asked, found))
    for episode in _still_resting(store, connection, found):
        back = merging.brought_back(asked.because, asked.by)
        _require(store.record_within(connection, found.surviving, back, at, episode_n=episode.n).refusal)
    for row in moved_by(connection, found.id):
        _give(connection, row.episode_id, row.was_patient, row.was_n)
    undone = {"undone_at": at, "undone_by": asked.by, "undone_because": asked.because}
    connection.execute(update(MERGES).where(MERGES.c.id == found.id).values(**undone))
    _set_ends(connection, found.surviving)
    said = {"event": "unmerged", "surviving": found.surviving, "retired": found.retired, "reason": asked.because}
    _journal(connection, found.surviving, step, at, said)
    parted = merge_named(connection, found.id)
    assert parted is not None
    return parted


def _not_to_be_parted(connection: Connection, asked: Undoing, found: Merged) -> Refusal | None:
    if found.undone_at is not None:
        return Refusal("STATE", f"this merge was taken back by {found.undone_by} already; nothing was saved")
    later = standing_merge(connection, found.surviving)
    if later is not None:
        because = f"{found.surviving} itself goes on as {later.surviving}"
        return Refusal("STATE", f"{because}; take that merge back first; nothing was saved")
    if found.rested and asked.actor != "clinician":
        because = f"it opens {', '.join(found.rested)} again, and reopening needs a clinician"
        return Refusal("ROLE", f"{because}; nothing was saved")
    return None


def _still_resting(store: Store, connection: Connection, found: Merged) -> Iterator[Episode]:
    """Those that the merge put to rest and nobody has moved since: what people did meanwhile stands."""
    query = select(EPISODES.c.id, EPISODES.c.state, EPISODES.c.since).where(EPISODES.c.id.in_(found.rested))
    rows = connection.execute(query).all()
    untouched = {row.id for row in rows if (row.state, row.since) == ("WITHDRAWN", found.at)}
    case = store.case_within(connection, found.surviving, held=True)
    yield from (episode for episode in case.episodes if episode.id in untouched)


def _set_ends(connection: Connection, surviving: str) -> None:
    """Where each record that was merged into that one goes on now: in itself, or where the merges that stand say."""
    ends = goes_on(connection)
    went = connection.scalars(select(PEOPLE.c.id).where(PEOPLE.c.merged_into == surviving)).all()
    for number in went:
        values = {"merged_into": ends.get(number)}
        connection.execute(update(PEOPLE).where(PEOPLE.c.id == number).values(**values))


# ---------------------------------------------------------------- the house's own journal


def _kept(store: Store, patient: str, step: Step, at: datetime, refusal: Refusal) -> Refusal:
    effect = {"event": "rejected", "code": refusal.code, "because": refusal.because, "kind": step.event}
    with store.database.writing() as connection:
        _journal(connection, patient, step, at, {**effect, "actor": step.actor}, refusal)
    return refusal


def _journal(
    connection: Connection,
    patient: str,
    step: Step,
    at: datetime,
    effect: Mapping[str, Any],
    refusal: Refusal | None = None,
) -> None:
    entry = Entry(0, step.event, at, at, step.actor, step, (plain(effect),), refusal)
    write_intake(connection, patient, entry)
