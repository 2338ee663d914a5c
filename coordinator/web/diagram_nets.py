"""What the picture of the pathway must show: the arrows, read from the rules, and nothing about where they are drawn.

Rules that lead from the same place to the same place share one arrow; arrows that carry the same rules to the same
place meet in one. A rule that leaves most of the open states leaves one common place, or nobody could read the rest.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pathway.guideline import FORMER, Guideline, TransitionRule

ANYWHERE, START = "@most open states", "@start"
MOST = 0.75


@dataclass(frozen=True, slots=True)
class Net:
    """An arrow: from each of these places to that one, by any of these rules. Places are states or their sub-states
    (SURGICAL_REFERRAL.sent), ANYWHERE, START, or FORMER for the place where the patient came from."""

    sources: tuple[str, ...]
    target: str
    rules: tuple[str, ...]


def state_of(place: str) -> str:
    return place.partition(".")[0]


def nets(guideline: Guideline) -> tuple[Net, ...]:
    pairs: dict[tuple[str, str], list[str]] = {}
    for rule in guideline.transitions:
        for source in leaves(guideline, rule):
            found = pairs.setdefault((source, rule.to), [])
            if rule.id not in found:
                found.append(rule.id)
    joined: dict[tuple[object, ...], list[str]] = {}
    for (source, target), rules in pairs.items():
        joined.setdefault((target, tuple(rules), _apart(guideline, source, target)), []).append(source)
    return tuple(Net(tuple(sources), str(key[0]), _ids(key[1])) for key, sources in joined.items())


def leaves(guideline: Guideline, rule: TransitionRule) -> Iterator[str]:
    """Where the arrows of a rule begin."""
    sources = guideline.expanded(rule.sources)
    if not sources:
        yield START
    if not from_most(guideline, rule):
        yield from sources
        return
    yield ANYWHERE
    yield from (source for source in sources if guideline.is_terminal(state_of(source)))


def from_most(guideline: Guideline, rule: TransitionRule) -> bool:
    """Whether the rule leaves so many open states that it is drawn from the common place."""
    still = {state_of(source) for source in guideline.expanded(rule.sources)} & set(guideline.active_states)
    return len(still) >= MOST * len(guideline.active_states)


def _ids(value: object) -> tuple[str, ...]:
    assert isinstance(value, tuple)
    return value


def _apart(guideline: Guideline, source: str, target: str) -> object:
    """Arrows that must not meet: those that come from another side, and those of a kind of their own."""
    if source in (ANYWHERE, START) or target == FORMER or state_of(source) == state_of(target):
        return source
    phases = list(dict.fromkeys(state.phase for state in guideline.states.values()))
    at, to = (phases.index(guideline.states[state_of(place)].phase) for place in (source, target))
    return (at > to) - (at < to)
