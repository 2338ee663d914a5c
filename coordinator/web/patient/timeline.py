"""The past of an episode, a line for each journal entry with its evidence, and the future if nobody acts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from coordinator.telling import Told, tell
from coordinator.web.patient import wording
from coordinator.web.patient.todo import shown
from coordinator.web.text import _
from pathway.calendar import local_date
from pathway.engine import Engine
from pathway.episode import Episode
from pathway.guideline import Guideline
from pathway.journal import Entry
from pathway.preview import preview
from pathway.undoing import undo_of

AHEAD = timedelta(days=400)
MOST_AHEAD = 14
# What a line is about, the most telling first.
HEADLINES = (
    "values_refused",
    "rejected",
    "alert",
    "transition",
    "observation",
    "correction",
    "contact",
    "assigned",
    "look_again",
    "referral_progress",
    "task_closed",
    "timer_fired",
    "reminder",
)
MARKS = {"transition": "move", "alert": "flag", "rejected": "refused", "values_refused": "refused"}
# Lines that only tell somebody of work are left out at first.
QUIET = ("reminder",)
# Shown elsewhere on the line.
UNSAID = ("note", "performed", "date")


@dataclass(frozen=True, slots=True)
class Line:
    """One journal line. `late`: days between the event and when we learned it; `taken_back`: who did so, and when."""

    seq: int
    recorded_at: datetime
    occurred_on: date
    recorded_on: date
    what: str
    who: str
    mark: str
    caused: tuple[Told, ...]
    because: tuple[str, ...]
    missing: tuple[str, ...]
    cites: tuple[str, ...]
    rule: str
    late: int
    taken_back: str
    correction: bool
    refused: str
    note: str
    undo: bool
    obs_id: str
    quiet: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What will happen by itself, or fell due and was not done."""

    day: date
    code: str
    what: str
    says: tuple[str, ...]
    moves_to: str
    cites: tuple[str, ...]
    engineering: bool
    days_overdue: int = 0


def past(episode: Episode, entries: Sequence[Entry], guideline: Guideline) -> list[Line]:
    back = _taken_back(episode, entries)
    return [_line(episode, entry, guideline, back) for entry in entries]


def _line(episode: Episode, entry: Entry, guideline: Guideline, back: Mapping[int, str]) -> Line:
    told = list(tell([entry], guideline))
    head = min(told, key=lambda t: _weight(t.mark), default=None)
    rule = next((effect for effect in entry.effects if effect["event"] == "transition"), {})
    alerted = next((effect for effect in entry.effects if effect["event"] == "alert"), {})
    observed = next((effect for effect in entry.effects if effect["event"] == "observation"), {})
    occurred, recorded = (local_date(at, episode.zone) for at in (entry.occurred_at, entry.recorded_at))
    refusal = entry.refusal
    because = [*rule.get("because", ()), *((refusal.because,) if refusal else ())]
    return Line(
        entry.seq,
        entry.recorded_at,
        occurred,
        recorded,
        _headline(entry, told, guideline),
        entry.step.by or {"system": _("the engine")}.get(entry.actor, entry.actor),
        MARKS.get(head.mark if head else "", "person" if entry.actor != "system" else "engine"),
        tuple(told),
        tuple(because),
        refusal.missing if refusal else (),
        tuple(dict.fromkeys([*rule.get("cites", ()), *alerted.get("cites", ())])),
        rule.get("rule", ""),
        max(0, (recorded - occurred).days),
        back.get(entry.seq, ""),
        any(effect["event"] == "correction" for effect in entry.effects),
        refusal.because if refusal else "",
        str(entry.step.data.get("note") or entry.step.data.get("reason") or ""),
        undo_of(entry, episode) is not None,
        observed.get("id", ""),
        bool(head) and all(t.mark in QUIET for t in told),
    )


def _weight(mark: str) -> int:
    return HEADLINES.index(mark) if mark in HEADLINES else len(HEADLINES)


def _headline(entry: Entry, told: Sequence[Told], guideline: Guideline) -> str:
    """What a person did comes first, then where it led; of the engine's own lines, where it led."""
    first = sorted((t for t in told if t.mark in HEADLINES), key=lambda t: _weight(t.mark))
    if not first:
        return told[0].what if told else wording.spaced(entry.step.kind or entry.step.event)
    led = [t.what for t in first if t.mark in ("alert", "transition")]
    did = [t.what for t in first if t.mark not in ("alert", "transition")]
    if entry.refusal is not None:
        return first[0].what
    if entry.kind == "decide":
        did = [_decided(entry, guideline)]
    if entry.kind == "observe":
        did = [_observed(entry), *(t.what for t in first if t.mark == "values_refused")]
    return ". ".join(dict.fromkeys([*did[:2], *led] if entry.kind == "observe" else [*did[:1], *led]))


def _observed(entry: Entry) -> str:
    """The finding in the words of its form: what was found first, then how many questions were answered with no."""
    for effect in entry.effects:
        if effect["event"] == "observation":
            kind, data = effect["kind"], effect["data"]
            found = {k: v for k, v in data.items() if v is not False and k not in UNSAID}
            said = [f"{wording.label(k)} {shown(kind, k, v)}" for k, v in found.items()]
            noes = [wording.label(k) for k, v in data.items() if v is False]
            if len(noes) == 1:
                said.append(f"{noes[0]} {_('No')}")
            elif noes:
                said.append(_("%(count)s answers No", count=len(noes)))
            return f"{wording.kind_title(kind)}: {'; '.join(said)}" if said else wording.kind_title(kind)
    return wording.kind_title(entry.step.kind)


def _decided(entry: Entry, guideline: Guideline) -> str:
    """The title of the rule that a decision followed."""
    for effect in entry.effects:
        if effect["event"] == "transition":
            return next(rule.title for rule in guideline.transitions if rule.id == effect["rule"])
    return entry.step.kind.replace("_", " ").capitalize()


def _taken_back(episode: Episode, entries: Sequence[Entry]) -> dict[int, str]:
    """Lines that somebody has taken back since: the line's number, and by whom and when."""
    found: dict[int, str] = {}
    for entry in entries:
        for effect in entry.effects:
            if effect["event"] == "correction":
                on = local_date(entry.recorded_at, episode.zone)
                who = entry.step.by or entry.actor
                said = _("taken back by %(who)s on %(day)s", who=who, day=on.strftime("%d-%b-%Y"))
                for seq in _original(effect, entries, entry.seq):
                    found[seq] = said
    return found


def _original(effect: Mapping[str, object], entries: Sequence[Entry], before: int) -> Iterator[int]:
    if effect["target"] == "contact":
        yield int(str(effect["seq"]))
        return
    wanted = {
        "observation": ("observation", ("id",)),
        "task": ("task_closed", ("code", "n")),
    }.get(str(effect["target"]))
    if wanted is None:
        return
    event, names = wanted
    same = [
        entry.seq
        for entry in entries
        for other in entry.effects
        if entry.seq < before and other["event"] == event and all(other.get(n) == effect.get(n) for n in names)
    ]
    yield from same[-1:]


# ---------------------------------------------------------------- the future


def overdue(episode: Episode, guideline: Guideline, today: date) -> list[Plan]:
    """What was planned and not done, the oldest first: the first thing under today."""
    late = [task for task in episode.tasks if task.status == "open" and task.overdue_after < today]
    plans = []
    for task in sorted(late, key=lambda t: (t.overdue_after, t.code)):
        rule = guideline.tasks[task.code]
        days = (today - task.overdue_after).days
        says = (_("by a %(role)s", role=rule.role),)
        plans.append(Plan(task.due, task.code, rule.title, says, "", rule.cites, rule.engineering, days))
    return plans


def ahead(engine: Engine, episode: Episode, at: datetime) -> tuple[list[Plan], int]:
    """What happens if nobody acts: clocks and first reminders, and how many repeats are left out."""
    guideline = engine.guideline
    if guideline.is_terminal(episode.state):
        return [], 0
    found, more, told = [], 0, set()
    for expected in preview(engine, episode, at + AHEAD, at):
        entry = expected.entry
        code = entry.step.kind
        if entry.step.event != "timer" and code in told:
            more += 1
            continue
        told.add(code)
        rule = guideline.timers.get(code) or guideline.tasks[code]
        opened = [guideline.tasks[e["code"]].title for e in entry.effects if e["event"] == "task_opened"]
        says = [_("opens work: %(title)s", title=title) for title in opened]
        reminded = [e["role"] for e in entry.effects if e["event"] == "reminder"]
        says += [_("tells the %(role)s", role=role) for role in dict.fromkeys(reminded)]
        moves = [e for e in entry.effects if e["event"] == "transition"]
        where = guideline.states[moves[-1]["to"]].shown(moves[-1].get("to_sub")) if moves else ""
        day = local_date(expected.at, episode.zone)
        found.append(Plan(day, code, rule.title, tuple(says), where, rule.cites, rule.engineering))
    return found[:MOST_AHEAD], more + max(0, len(found) - MOST_AHEAD)
