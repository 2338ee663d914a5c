"""The only room that knows the `transitions` library: it drives every change of state.

One hierarchical machine is built from the guideline; nobody's state lives in it. A move is asked for with a
small throw-away model, the guards are objects whose verdicts are kept, so that a refused move says why.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transitions import MachineError
from transitions.extensions.nesting import HierarchicalMachine, NestedState

from pathway.episode import Place
from pathway.guards import GUARDS, Verdict
from pathway.guideline import FORMER, Guideline, TransitionRule
from pathway.journal import Refusal
from pathway.turn import Turn

# What the library asks before it moves: it gets the event and answers yes or no.
Check = Callable[..., bool | None]


class _DottedState(NestedState):
    separator = "."


class _DottedMachine(HierarchicalMachine):
    state_cls = _DottedState


class _Asking:
    """The model of one question: may this turn move by this trigger, and by which rule?"""

    __slots__ = ("chosen", "former", "refusals", "state", "turn", "verdicts")

    def __init__(self, turn: Turn, former: Place | None) -> None:
        self.state = turn.episode.path
        self.turn = turn
        self.former = former
        self.chosen: TransitionRule | None = None
        self.verdicts: list[Verdict] = []
        self.refusals: list[Verdict] = []


@dataclass(frozen=True, slots=True)
class Move:
    """A transition that may happen: its rule, the state path it leads to, and why."""

    rule: TransitionRule
    to: str
    because: tuple[str, ...]


class Machine:
    def __init__(self, guideline: Guideline) -> None:
        states = [
            {"name": state.id, "children": list(state.subs)} if state.subs else state.id
            for state in guideline.states.values()
        ]
        self._machine = _DottedMachine(
            model=None, states=states, initial="ACUTE_ASSESSMENT", auto_transitions=False, send_event=True
        )
        for rule in guideline.transitions:
            for source in guideline.expanded(rule.sources):
                self._add(guideline, rule, source)

    def _add(self, guideline: Guideline, rule: TransitionRule, source: str) -> None:
        checks: list[Check] = [_guard(name) for name in rule.guards]
        ends = guideline.paths() if rule.to == FORMER else (rule.to,)
        for end in ends:
            leads: list[Check] = [_leads_to(end)] if rule.to == FORMER else []
            conditions: list[str | Check] = [*checks, *leads, _choose(rule)]
            self._machine.add_transition(rule.trigger, source, end, conditions=conditions)

    def ask(self, turn: Turn, trigger: str, former: Place | None = None) -> Move | Refusal:
        """The move that this trigger causes from where the episode is, or why it may not happen."""
        asking = _Asking(turn, former)
        try:
            moved = self._machine.trigger_event(asking, trigger)
        except MachineError:
            where = turn.guideline.states[turn.episode.state].shown(turn.episode.sub)
            return Refusal("STATE", f"{trigger.replace('_', ' ')} is not possible in {where}")
        if not moved or asking.chosen is None:
            return _refusal(asking)
        return Move(asking.chosen, asking.state, tuple(v.because for v in asking.verdicts))

    def handles(self, path: str, trigger: str) -> bool:
        """Whether the guideline gives this trigger any meaning in this state."""
        return trigger in self._machine.get_triggers(path)


def _refusal(asking: _Asking) -> Refusal:
    first = asking.refusals[0]
    missing = tuple(dict.fromkeys(name for v in asking.refusals for name in v.missing))
    return Refusal(first.code, first.because, missing)


def _guard(name: str) -> Callable[[Any], bool]:
    negated = name.startswith("!")
    guard = GUARDS[name.removeprefix("!")]

    def check(event: Any) -> bool:
        verdict = guard(event.model.turn)
        passed = (verdict.holds is True) is not negated
        event.model.verdicts.append(verdict)
        if not passed:
            event.model.refusals.append(verdict)
            event.model.verdicts.clear()
        return passed

    return check


def _leads_to(path: str) -> Callable[[Any], bool]:
    def check(event: Any) -> bool:
        place = event.model.former
        if place is None:
            return False
        return bool(path == (f"{place.state}.{place.sub}" if place.sub else place.state))

    return check


def _choose(rule: TransitionRule) -> Callable[[Any], bool]:
    def check(event: Any) -> bool:
        event.model.chosen = rule
        return True

    return check
