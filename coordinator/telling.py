"""Journal lines in words: what happened, to whom, why, and by which rule. Read by people, so never a code alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pathway.calendar import show_date
from pathway.facts import FIELDS
from pathway.guideline import Guideline
from pathway.journal import Entry


@dataclass(frozen=True, slots=True)
class Told:
    """One line of a timeline. `late`: recorded on a later day than it happened; `cites`: source line ids."""

    recorded_at: datetime
    occurred_at: datetime
    what: str
    who: str
    because: tuple[str, ...] = ()
    cites: tuple[str, ...] = ()
    rule: str = ""
    late: bool = False
    mark: str = ""


def tell(entries: list[Entry], guideline: Guideline) -> Iterator[Told]:
    """The story of a journal, oldest first: one line for each thing a person would want to read."""
    for entry in entries:
        yield from _tell_entry(entry, guideline)


def _tell_entry(entry: Entry, guideline: Guideline) -> Iterator[Told]:
    who = entry.step.by or {"system": "the engine"}.get(entry.actor, entry.actor)
    late = entry.occurred_at.date() < entry.recorded_at.date()
    for effect in entry.effects:
        said = SAYINGS.get(effect["event"])
        if said is None:
            continue
        yield Told(
            entry.recorded_at,
            entry.occurred_at,
            said({**effect, "line": entry.seq}, guideline),
            who,
            because=tuple(_as_list(effect.get("because"))),
            cites=tuple(effect.get("cites", ())),
            rule=effect.get("rule", ""),
            late=late,
            mark=effect["event"],
        )


def _as_list(value: Any) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def _transition(effect: Mapping[str, Any], guideline: Guideline) -> str:
    state = guideline.states[effect["to"]].shown(effect.get("to_sub"))
    reason = f", because {effect['reason']}" if effect.get("reason") else ""
    return f"Moved to {state} (rule {effect['rule']}){reason}"


def _observation(effect: Mapping[str, Any], _guideline: Guideline) -> str:
    words = [_value(name, value) for name, value in effect["data"].items()]
    kind = effect["kind"].replace("_", " ").capitalize()
    day = show_date(date.fromisoformat(effect["effective"]))
    return f"{kind} of {day}: {', '.join(words) or 'nothing stated'} [{effect['id']}]"


def _value(name: str, value: Any) -> str:
    shown = name.replace("_", " ")
    if isinstance(value, bool):
        return f"{shown} {'yes' if value else 'no'}"
    if isinstance(value, list):
        return f"{shown} {' '.join(map(str, value))}"
    unit = next((fields[name].unit for fields in FIELDS.values() if name in fields), "")
    return f"{shown} {value}{' ' + unit if unit else ''}"


def _task(effect: Mapping[str, Any], guideline: Guideline, verb: str) -> str:
    title = guideline.tasks[effect["code"]].title
    how = f" ({effect['how'].replace('_', ' ')})" if effect.get("how") else ""
    due = f", due {show_date(date.fromisoformat(effect['due']))}" if effect.get("due") else ""
    reason = f": {effect['reason']}" if effect.get("reason") else ""
    return f"{verb}: {title} [{effect['code']}]{due}{how}{reason}"


def _timer(effect: Mapping[str, Any], guideline: Guideline, verb: str) -> str:
    title = guideline.timers[effect["code"]].title
    day = show_date(date.fromisoformat(effect["due"]))
    outcome = f": {effect['outcome'].replace('_', ' ')}" if effect.get("outcome") else ""
    reason = f" ({effect['reason']})" if effect.get("reason") else ""
    return f"{verb}: {title} of {day}{outcome}{reason}"


def _reminder(effect: Mapping[str, Any], guideline: Guideline) -> str:
    code = effect["code"]
    rule = guideline.tasks.get(code) or guideline.timers[code]
    return f"Reminder ({effect['kind']}) to the {effect['role']}: {rule.title}"


def _alert(effect: Mapping[str, Any], guideline: Guideline) -> str:
    named = ", ".join(
        guideline.red_flags[code].title if code in guideline.red_flags else code for code in effect.get("flags", ())
    )
    code = effect["code"].replace("_", " ").capitalize()
    return f"ALERT {code}{': ' + named if named else ''}"


def _rejected(effect: Mapping[str, Any], _guideline: Guideline) -> str:
    return f"Refused ({effect['code']}): {effect['kind'].replace('_', ' ')}"


def _correction(effect: Mapping[str, Any], guideline: Guideline) -> str:
    if effect["target"] == "observation":
        return f"Retracted: {effect['kind'].replace('_', ' ')} [{effect['id']}]"
    if effect["target"] == "task":
        return f"Taken back: the closing of {guideline.tasks[effect['code']].title} [{effect['code']}]"
    if effect["target"] == "contact":
        return f"Taken back: the talk with the patient ({effect['outcome'].replace('_', ' ')}) [line {effect['seq']}]"
    was, now = (date.fromisoformat(effect[k]) if effect.get(k) else None for k in ("was", "now"))
    target = effect["target"].replace("_", " ")
    return f"Corrected: {target} from {show_date(was)} to {show_date(now)}"


def _contact(effect: Mapping[str, Any], _guideline: Guideline) -> str:
    note = f": {effect['note']}" if effect.get("note") else ""
    return f"Talk with the patient: {effect['outcome'].replace('_', ' ')}{note} [line {effect['line']}]"


def _referral_progress(effect: Mapping[str, Any], _guideline: Guideline) -> str:
    words = {
        "acknowledged": "acknowledged",
        "dated": "appointment",
        "attended": "attended",
        "letter": "letter back",
    }
    day = show_date(date.fromisoformat(effect["date"]))
    was = f", not {show_date(date.fromisoformat(effect['was']))}" if effect.get("was") else ""
    return f"Referral to {effect['service']}: {words[effect['step']]} on {day}{was}"


def _look_again(effect: Mapping[str, Any], guideline: Guideline) -> str:
    named = f"{guideline.tasks[effect['code']].title} [{effect['code']}]"
    if effect.get("taken_back"):
        return f"No longer set aside: {named}"
    return f"Look again on {show_date(date.fromisoformat(effect['until']))}: {named}"


def _refracture(effect: Mapping[str, Any], _guideline: Guideline) -> str:
    within = "within" if effect["within_12m"] else "after more than"
    return f"Further fracture {effect['days']} days after episode {effect['of']}, {within} twelve months"


SAYINGS: dict[str, Any] = {
    "transition": _transition,
    "observation": _observation,
    "task_opened": lambda e, g: _task(e, g, "Work opened"),
    "task_closed": lambda e, g: _task(e, g, "Work closed"),
    "task_suspended": lambda e, g: _task(e, g, "Work suspended"),
    "task_resumed": lambda e, g: _task(e, g, "Work resumed"),
    "task_redated": lambda e, g: _task(e, g, "Work re-dated"),
    "timer_fired": lambda e, g: _timer(e, g, "Fell due"),
    "timer_held": lambda e, g: _timer(e, g, "Held, still owed"),
    "timer_cancelled": lambda e, g: _timer(e, g, "No longer due"),
    "timer_superseded": lambda e, g: _timer(e, g, "Re-dated by a correction"),
    "timer_set": lambda e, g: _timer(e, g, "Clock set"),
    "milestone_still_owed": lambda e, g: _timer(e, g, "Still owed"),
    "milestone_satisfied": lambda e, g: f"Finished: {g.timers[e['code']].title}, by {e['by']}",
    "reminder": _reminder,
    "alert": _alert,
    "notice": lambda e, _: f"Notice: {e['code'].replace('_', ' ').lower()} {', '.join(e.get('services', ()))}",
    "referral": lambda e, _: f"Referral to {e['service']}: {e['status'].replace('_', ' ')}",
    "rejected": _rejected,
    "correction": _correction,
    "values_refused": lambda e, _: f"Values refused: {', '.join(e['fields'])}",
    "duplicate_event_ignored": lambda e, _: f"The same message again, ignored [{e['id']}]",
    "site_moved": lambda e, _: f"Site moved from {e['was']} to {e['now']}",
    "contact": _contact,
    "look_again": _look_again,
    "referral_progress": _referral_progress,
    "merged": lambda e, _: f"Record {e['retired']} merged into {e['surviving']}, because {e['reason']}",
    "unmerged": lambda e, _: f"Record {e['retired']} parted from {e['surviving']} again, because {e['reason']}",
    "assigned": lambda e, _: f"Taken over by {e['owner']}",
    "refracture": _refracture,
}
