"""What may be decided where an episode stands: by whom, with which data, and why not yet.

The engine itself is asked, on a copy: nothing here repeats a rule, and nothing is recorded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pathway.deciding import BELONGS_TO, OUTCOMES, TRIGGERS, role_needed
from pathway.engine import Engine
from pathway.episode import Episode
from pathway.guideline import FORMER, Guideline, TransitionRule
from pathway.journal import Refusal, Step
from pathway.machine import Machine
from pathway.moving import former_place

ADMINISTRATIVE = ("death", "death_correction", "withdraw", "transfer_out")
# Two words for one thing: the first of them is offered.
OTHER_WORDS = (("complete_reassessment", "imaging"), ("surgery", "performed"), ("surgery", "transferred_out"))
# What each guard looks for in the data of a decision.
ASKED_BY: Mapping[str, tuple[str, ...]] = {
    "reason_given": ("reason",),
    "imaging_or_reason": ("imaging_pending_reason",),
    "stability_accepted": ("stability_confirmed",),
    "care_start_in_order": ("care_start",),
    "eight_weeks_settled": ("imaging_waived_reason",),
    "eight_weeks_settled_by_review": ("imaging_waived_reason",),
    "time_or_indication": ("override_reason",),
    "technique_allowed": ("technique",),
    "imaging_since_entry": ("no_new_imaging_reason",),
    "procedure_date_in_order": ("procedure_date",),
    "twelve_months_or_reason": ("override_reason",),
    "bone_tasks_closed_or_reason": ("override_reason",),
    "handover_confirmed": ("handover_confirmed",),
}
# A person can state these whatever the record says; dates and the technique have an answer of their own.
STATED = "stated"
STATABLE: Mapping[str, Any] = {
    "reason": STATED,
    "imaging_pending_reason": STATED,
    "imaging_waived_reason": STATED,
    "no_new_imaging_reason": STATED,
    "override_reason": STATED,
    "stability_confirmed": True,
    "handover_confirmed": True,
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A decision or an administrative event that has a meaning where the episode stands.

    `event`, `kind` and `data` are those of the Step to record, together with what of `fields` a person fills in.
    `possible`: it would be accepted now, with all of `required` filled in. `because` says why it is not possible, or
    why it needs more than a reason; `missing` names what the record lacks, `code` is the refusal's.
    `leads_to` is the title of the state it leads to as things stand (where not possible: by its first rule).
    """

    event: str
    kind: str
    outcome: str
    service: str
    title: str
    rules: tuple[str, ...]
    leads_to: str
    role: str
    possible: bool
    because: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    code: str = ""
    cites: tuple[str, ...] = ()
    engineering: bool = False
    fields: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Option:
    event: str
    kind: str
    outcome: str
    service: str
    trigger: str

    @property
    def data(self) -> dict[str, str]:
        named = {"service": self.service, "outcome": self.outcome}
        return {name: value for name, value in named.items() if value}


def choices(episode: Episode, engine: Engine, at: datetime) -> list[Choice]:
    """Everything that a person may decide about this episode at `at`, as it will be once all that is due has fired."""
    settled = engine.settle(episode, at)
    current = settled.episode if settled else episode
    return [_choice(option, current, engine, at) for option in _options(current, engine.machine)]


def _options(episode: Episode, machine: Machine) -> Iterator[_Option]:
    """Each trigger by the words that belong to the state, else by the general ones; then what became of referrals."""
    owned = {trigger for (kind, _), trigger in TRIGGERS.items() if BELONGS_TO.get(kind) == episode.state}
    decided = set()
    for (kind, outcome), trigger in TRIGGERS.items():
        elsewhere = BELONGS_TO.get(kind, episode.state) != episode.state
        general = kind not in BELONGS_TO and trigger in owned
        if elsewhere or general or (kind, outcome) in OTHER_WORDS or not machine.handles(episode.path, trigger):
            continue
        decided.add(trigger)
        yield _Option("decide", kind, outcome, "", trigger)
    for (service, outcome), trigger in OUTCOMES.items():
        known = trigger in decided or (service, outcome) in OTHER_WORDS
        if not known and machine.handles(episode.path, trigger):
            yield _Option("decide", "referral_outcome", outcome, service, trigger)
    for kind in ADMINISTRATIVE:
        if machine.handles(episode.path, kind):
            yield _Option("admin", kind, "", "", kind)


def _choice(option: _Option, episode: Episode, engine: Engine, at: datetime) -> Choice:
    guideline = engine.guideline
    rules = _rules(option, episode, guideline)
    fields = _fields(option, rules)
    asked = _Asked(option, episode, engine, at, role_needed(guideline, option.trigger))
    answer, required = asked.least(fields)
    chosen = [rule for rule in rules if rule == asked.rule] or list(rules)
    plain = asked.refusal
    return Choice(
        event=option.event,
        kind=option.kind,
        outcome=option.outcome,
        service=option.service,
        title=chosen[0].title,
        rules=tuple(dict.fromkeys(rule.id for rule in chosen)),
        leads_to=asked.leads_to or _title(chosen[0], episode, guideline),
        role=asked.role,
        possible=answer is None,
        because=tuple(dict.fromkeys(r.because for r in (plain, answer) if r)),
        missing=tuple(dict.fromkeys(name for r in (plain, answer) if r for name in r.missing)),
        code=answer.code if answer else "",
        cites=tuple(dict.fromkeys(cite for rule in chosen for cite in rule.cites)),
        engineering=any(rule.engineering for rule in chosen),
        fields=fields,
        required=required,
        data=option.data,
    )


def _rules(option: _Option, episode: Episode, guideline: Guideline) -> tuple[TransitionRule, ...]:
    here = {episode.state, episode.path}
    same = (rule for rule in guideline.transitions if rule.trigger == option.trigger)
    return tuple(rule for rule in same if here & set(guideline.expanded(rule.sources)))


def _fields(option: _Option, rules: tuple[TransitionRule, ...]) -> tuple[str, ...]:
    """What a person may fill in; a reason and, for what happened to the person, its day always."""
    guards = (guard.removeprefix("!") for rule in rules for guard in rule.guards)
    asked = [name for guard in guards for name in ASKED_BY.get(guard, ())]
    dated = ("date",) if option.event == "admin" else ()
    return tuple(dict.fromkeys((*asked, "reason", *dated)))


def _title(rule: TransitionRule, episode: Episode, guideline: Guideline) -> str:
    if rule.to != FORMER:
        state, _, sub = rule.to.partition(".")
        return guideline.states[state].shown(sub or None)
    former = former_place(episode)
    return guideline.states[former.state].shown(former.sub) if former else ""


class _Asked:
    """The questions that are put to the engine about one option, and where the accepted one leads."""

    def __init__(self, option: _Option, episode: Episode, engine: Engine, at: datetime, role: str) -> None:
        self.option, self.episode, self.engine, self.at, self.role = option, episode, engine, at, role
        self.refusal: Refusal | None = None
        self.rule: TransitionRule | None = None
        self.leads_to = ""

    def least(self, fields: tuple[str, ...]) -> tuple[Refusal | None, tuple[str, ...]]:
        """The answer where everything needed is stated, and what needs to be: a reason alone, if that will do."""
        stated = [name for name in fields if name in STATABLE]
        self.refusal = self._ask(["reason"])
        if self.refusal is None:
            return None, self._needed(["reason"])
        answer = self._ask(stated)
        return (answer, ()) if answer else (None, self._needed(stated))

    def _needed(self, stated: list[str]) -> tuple[str, ...]:
        """Those without which it would be refused."""
        found = [name for name in stated if self._take([other for other in stated if other != name])[0]]
        return tuple(found)

    def _ask(self, stated: list[str]) -> Refusal | None:
        refusal, moved = self._take(stated)
        if refusal is None:
            self._remember(moved)
        return refusal

    def _take(self, stated: list[str]) -> tuple[Refusal | None, list[Mapping[str, Any]]]:
        data = {**self.option.data, **{name: STATABLE[name] for name in stated}}
        step = Step(self.option.event, self.option.kind, data, self.role)
        change, refusal = self.engine.take(self.episode, step, self.at)
        return refusal, [effect for effect in change.entries[0].effects if effect["event"] == "transition"]

    def _remember(self, moved: list[Mapping[str, Any]]) -> None:
        guideline = self.engine.guideline
        same = (rule for rule in guideline.transitions if rule.trigger == self.option.trigger)
        self.rule = next((rule for rule in same if self._leads(rule, moved[0])), None)
        self.leads_to = guideline.states[moved[-1]["to"]].shown(moved[-1].get("to_sub"))

    @staticmethod
    def _leads(rule: TransitionRule, moved: Mapping[str, Any]) -> bool:
        to = ".".join(filter(None, (moved["to"], moved.get("to_sub"))))
        return rule.id == moved["rule"] and rule.to in (to, FORMER)
