"""The one way in which a page records anything, what it says afterwards, and how that is taken back.

Who may do what is the engine's to say; here everybody acts in the role and under the name they are signed in with.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from coordinator.telling import tell
from coordinator.web.access import May
from coordinator.web.desk import Desk
from coordinator.web.text import _
from pathway.engine import Case, Outcome
from pathway.episode import Episode
from pathway.errors import NoSuchPatient, StoreError
from pathway.guideline import Guideline
from pathway.journal import Entry, Step
from pathway.undoing import UNDONE, no_undo_because, undo_of
from persistence.names import full_name
from persistence.store import Person

# What a person wants to hear at once, of all that a journal line caused.
HEARD = (
    "observation",
    "transition",
    "alert",
    "contact",
    "assigned",
    "look_again",
    "correction",
    "referral",
    "referral_progress",
    "task_closed",
    "task_opened",
    "task_resumed",
    "task_suspended",
    "notice",
    "values_refused",
    "rejected",
    "site_moved",
    "refracture",
)
KEY = re.compile(r"(?P<patient>.+)-(?P<n>\d{1,4})\.(?P<first>\d{1,7})(?:-(?P<last>\d{1,7}))?")
MOST_LINES = 20


@dataclass(frozen=True, slots=True)
class Undo:
    """What a form needs to take a line back."""

    episode: str
    seq: int


@dataclass(frozen=True, slots=True)
class Saved:
    """The message after a save: whose record, what was kept and what it caused, and how to take it back."""

    patient: str
    name: str
    birth_date: date | None
    undone: bool
    said: tuple[str, ...]
    undo: Undo | None
    no_undo: str
    stays: tuple[str, ...]


class MayNotRecord(StoreError):
    """Nothing was saved."""


def record(
    desk: Desk, patient: Person | str, step: Step, *, episode: int | None = None, seen: int | None = None
) -> Outcome:
    """One step, in the role and under the name of whoever is at the desk. Raises Overtaken, NoSuchPatient, Outrun."""
    role = desk.me.role
    if role.acts_as is None or not desk.me.may(May.RECORD):
        raise MayNotRecord(_("the role %(role)s records nothing", role=role.title.lower()))
    mine = replace(step, actor=role.acts_as, by=desk.me.name)
    return desk.store.record(patient, mine, desk.now, episode_n=episode, seen=seen)


def saved_key(outcomes: Sequence[Outcome], n: int | None = None) -> str:
    """The journal lines of what was just recorded, as a part of an address: P100-1.12 or P100-1.12-14."""
    lines = [
        (change.episode.id, entry.seq)
        for outcome in outcomes
        for change in outcome.changes
        for entry in change.entries
        if entry.actor != "system" and (n is None or change.episode.n == n)
    ]
    if not lines:
        return ""
    episode = lines[-1][0]
    numbers = [seq for name, seq in lines if name == episode]
    return f"{episode}.{numbers[0]}" + (f"-{numbers[-1]}" if len(numbers) > 1 else "")


def saved(desk: Desk, key: str | None) -> Saved | None:
    """What the journal says of lines that were just recorded; None where the address names none."""
    found = KEY.fullmatch(key or "")
    if found is None or not desk.me.may(May.RECORD):
        return None
    try:
        case = desk.store.case(found["patient"])
    except NoSuchPatient:
        return None
    # By its id: in a record that was merged with another, the number is not the one in the id.
    episode = next((e for e in case.episodes if e.id == f"{found['patient']}-{found['n']}"), None)
    first, last = int(found["first"]), int(found["last"] or found["first"])
    entries = [] if episode is None else desk.store.journal(episode.id)
    lines = [entry for entry in entries if first <= entry.seq <= last][:MOST_LINES]
    if episode is None or not lines:
        return None
    return _saved(desk, case, episode, lines, entries)


def _saved(desk: Desk, case: Case, episode: Episode, lines: list[Entry], entries: list[Entry]) -> Saved:
    guideline = desk.store.engine.guideline
    person = desk.store.person(case.patient)
    theirs = [entry for entry in lines if entry.actor != "system"]
    said = [told.what for told in tell(lines, guideline) if told.mark in HEARD]
    can = [entry for entry in theirs if undo_of(entry, episode) is not None]
    undo = Undo(episode.id, can[0].seq) if len(theirs) == 1 and can else None
    undone = any(entry.step.data.get("reason") == UNDONE for entry in theirs)
    because = no_undo_because(theirs[0], episode) if len(theirs) == 1 and undo is None and not undone else ""
    return Saved(
        case.patient,
        full_name(person.surname, person.given),
        person.birth_date,
        undone,
        tuple(said),
        undo,
        because,
        tuple(stays(theirs, entries, guideline)) if undone else (),
    )


def stays(undoing: Sequence[Entry], entries: Sequence[Entry], guideline: Guideline) -> Iterator[str]:
    """What taking a finding back leaves as it is: the moves that it had caused, for a person to judge."""
    named = {entry.step.data.get("obs_id") for entry in undoing} - {None}
    for entry in entries:
        if any(e["event"] == "observation" and e["id"] in named for e in entry.effects):
            for effect in entry.effects:
                if effect["event"] == "transition":
                    where = guideline.states[effect["to"]].shown(effect.get("to_sub"))
                    yield _("The move to %(where)s stays: a clinician decides what follows.", where=where)


def undo(desk: Desk, episode_id: str, seq: int) -> tuple[str, str, str]:
    """Take a routine line back: the patient, the key of the new line, and why not where it could not be done."""
    case = desk.store.case(episode_id.rpartition("-")[0])
    patient = case.patient
    episode = next((e for e in case.episodes if e.id == episode_id), None)
    entries = [] if episode is None else desk.store.journal(episode.id)
    entry = next((line for line in entries if line.seq == seq), None)
    if episode is None or entry is None:
        return patient, "", _("There is no such line in the journal; nothing was changed.")
    step = undo_of(entry, episode)
    if step is None:
        because = no_undo_because(entry, episode)
        return patient, "", _("This cannot be undone: %(because)s. Nothing was changed.", because=because)
    outcome = record(desk, patient, step, episode=episode.n)
    if outcome.refusal is not None:
        return patient, "", _("%(because)s. Nothing was changed.", because=outcome.refusal.because)
    return patient, saved_key([outcome], episode.n), ""
