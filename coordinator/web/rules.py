"""The rules of the guideline as tables show them: a line for each thing that may happen, by whom and on what ground."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from coordinator.web import rule_words
from coordinator.web.text import _
from pathway.guideline import FORMER, Guideline, Parameter, Profile, Source, TaskRule, TimerRule, TransitionRule

# So many states left out are named as exceptions; with more it is shorter to name the others.
EXCEPTIONS = 2


@dataclass(frozen=True, slots=True)
class Way:
    """One line of the table of rules. `places` and `end` name states and sub-states as the guideline does."""

    rule: TransitionRule
    places: tuple[str, ...]
    end: str
    leaves: tuple[str, ...]
    enters: str
    when: str
    who: str
    guards: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything that goes by one rule id, such as the two ways of TR-15; `fired` counts the id."""

    id: str
    ways: tuple[Way, ...]
    fired: int


def rules_of(guideline: Guideline, fired: Mapping[str, int], only: tuple[str, ...] = ()) -> list[Rules]:
    found: dict[str, list[Way]] = {}
    for rule in guideline.transitions:
        if not only or rule.id in only:
            found.setdefault(rule.id, []).append(_way(guideline, rule))
    return [Rules(name, tuple(ways), fired.get(name, 0)) for name, ways in found.items()]


def place_title(guideline: Guideline, place: str) -> str:
    if place == FORMER:
        return _("Back to where the patient came from")
    state, _dot, sub = place.partition(".")
    return guideline.states[state].shown(sub or None)


def _way(guideline: Guideline, rule: TransitionRule) -> Way:
    places = guideline.expanded(rule.sources)
    timer = guideline.timers.get(rule.trigger)
    return Way(
        rule,
        places,
        rule.to,
        tuple(_leaves(guideline, rule, places)),
        place_title(guideline, rule.to),
        timer.title if timer else "",
        rule_words.who(rule, guideline),
        tuple(rule_words.guard(name) for name in rule.guards),
    )


def _leaves(guideline: Guideline, rule: TransitionRule, places: tuple[str, ...]) -> Iterator[str]:
    """The states a rule leaves, shorter where it is nearly all of them."""
    if not places:
        yield _("(a new episode)")
        return
    missing = [state for state in guideline.active_states if state not in places]
    ends = [place for place in places if guideline.is_terminal(place.partition(".")[0])]
    if len(missing) > EXCEPTIONS or len(places) < len(guideline.active_states) - EXCEPTIONS:
        yield from (place_title(guideline, place) for place in places)
        return
    if missing:
        but = ", ".join(guideline.states[state].title for state in missing)
        yield _("Any open state but %(states)s", states=but)
    else:
        yield _("Any open state")
    yield from (place_title(guideline, place) for place in ends)


# ---------------------------------------------------------------- timers and tasks


@dataclass(frozen=True, slots=True)
class ShownTimer:
    """`value`: how long after its anchor, by the profile; `does`: what it does in which state."""

    rule: TimerRule
    anchor: str
    parameter: Parameter
    value: str
    overdue: str
    does: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ShownTask:
    rule: TaskRule
    role: str
    due: str
    overdue: str
    repeated: str
    closed_by: tuple[str, ...]


def timers_of(guideline: Guideline, profile: Profile) -> list[ShownTimer]:
    return [_timer(guideline, profile, rule) for rule in guideline.timers.values()]


def _timer(guideline: Guideline, profile: Profile, rule: TimerRule) -> ShownTimer:
    found = profile.parameters[rule.parameter]
    if rule.overdue_parameter:
        late = _("%(value)s after %(anchor)s", value=rule_words.parameter(profile.parameters[rule.overdue_parameter]),
                 anchor=rule_words.anchor(rule.anchor))  # fmt: skip
    else:
        late = _("%(value)s after it fell due", value=rule_words.days_of(rule.overdue_days))
    does = tuple(
        (guideline.states[state].title, _effect(guideline, rule, state, effect))
        for state, effect in rule.effects.items()
    )
    value = rule_words.parameter(found, rule.parameter_index)
    return ShownTimer(rule, rule_words.anchor(rule.anchor), found, value, late, does)


def _effect(guideline: Guideline, rule: TimerRule, state: str, effect: str) -> str:
    if effect == "move":
        moves = [r for r in guideline.transitions if r.trigger == rule.code and state in guideline.expanded(r.sources)]
        return _("moves the patient, by %(rules)s", rules=", ".join(dict.fromkeys(move.id for move in moves)))
    if effect in guideline.tasks:
        return _("opens the work: %(title)s", title=guideline.tasks[effect].title)
    if effect == "decision":
        return _("opens the work: %(title)s", title=guideline.tasks["K-3M-DECISION"].title)
    known = {
        "purpose": _("the open review gains this purpose"),
        "in_review": _("is noted; the milestone stays owed"),
    }
    return known.get(effect, effect)


def tasks_of(guideline: Guideline, profile: Profile) -> list[ShownTask]:
    return [_task(profile, rule) for rule in guideline.tasks.values()]


def _task(profile: Profile, rule: TaskRule) -> ShownTask:
    if rule.due_parameter:
        value = rule_words.parameter(profile.parameters[rule.due_parameter])
    else:
        value = rule_words.days_of(rule.due_days)
    due = _("%(value)s after %(anchor)s", value=value, anchor=rule_words.anchor(rule.anchor))
    late = rule_words.days_of(rule.overdue_days) if rule.overdue_days is not None else ""
    again = _("every %(span)s", span=rule_words.days_of(rule.repeat_days)) if rule.repeat_days else ""
    if rule.ladder_parameter:
        hours = rule_words.parameter(profile.parameters[rule.ladder_parameter])
        again = _("escalated after %(hours)s", hours=hours)
    closed_by = tuple(rule_words.closing(name) for name in rule.closed_by)
    return ShownTask(rule, rule_words.role(rule.role), due, late, again, closed_by)


# ---------------------------------------------------------------- conflicts and profiles


@dataclass(frozen=True, slots=True)
class Choice:
    """One parameter of a conflict: what each profile chose, and whether that differs from the default."""

    name: str
    values: tuple[tuple[str, bool, bool], ...]


@dataclass(frozen=True, slots=True)
class Conflict:
    row: Mapping[str, Any]
    positions: tuple[tuple[str, str, tuple[str, ...]], ...]
    choices: tuple[Choice, ...]


def conflicts_of(guideline: Guideline) -> list[Conflict]:
    found = []
    for row in guideline.conflicts:
        said = {p["seed"]: (p["says"], tuple(p["cites"])) for p in row["positions"]}
        positions = tuple((seed["id"], *said.get(seed["id"], ("", ()))) for seed in guideline.seeds)
        found.append(Conflict(row, positions, tuple(choice_of(guideline, name) for name in row["parameters"])))
    return found


def choice_of(guideline: Guideline, name: str) -> Choice:
    usual = guideline.profiles["default"].parameters[name]
    chosen = (profile.parameters[name] for profile in guideline.profiles.values())
    return Choice(name, tuple((rule_words.parameter(p), p.engineering, p.value != usual.value) for p in chosen))


def differences(guideline: Guideline) -> list[Choice]:
    """Every parameter in which some profile differs from the default."""
    names = guideline.profiles["default"].parameters
    made = (choice_of(guideline, name) for name in names)
    return [choice for choice in made if any(differs for _value, _engineering, differs in choice.values)]


# ---------------------------------------------------------------- sources


@dataclass(frozen=True, slots=True)
class Cited:
    source: Source
    by: tuple[str, ...]


def cited(guideline: Guideline) -> dict[str, list[Cited]]:
    """The source lines by seed, each with what rests on it."""
    by: dict[str, list[str]] = defaultdict(list)
    for name, cites in _citing(guideline):
        for cite in cites:
            if name not in by[cite]:
                by[cite].append(name)
    found: dict[str, list[Cited]] = {str(seed["id"]): [] for seed in guideline.seeds}
    for source in guideline.sources.values():
        found[source.seed].append(Cited(source, tuple(by[source.id])))
    return found


def _citing(guideline: Guideline) -> Iterator[tuple[str, tuple[str, ...]]]:
    for rule in guideline.transitions:
        yield rule.id, rule.cites
    for state in guideline.states.values():
        yield state.id, state.cites
    for coded in (guideline.timers, guideline.tasks, guideline.red_flags):
        for code, row in coded.items():
            yield code, row.cites
    for advice in guideline.recommendations.values():
        yield advice.id, advice.cites
