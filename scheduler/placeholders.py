"""What a template may say: the kinds of message, the placeholders of each, what they hold and where they may stand."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

CALLS_NOBODY = "This program does not call anyone. Make sure that a person has taken this on."
MARK = "[E] marks an engineering choice that no source states; it awaits clinical sign-off."
# A digest names the most urgent work and counts the rest: mail programs cut off what is much longer.
MOST_ITEMS = 100

# open: may stand anywhere. personal and clinical: in text and html only, because subject and brief travel in the
# open; the title of a task can be a finding too.
Mark = Literal["open", "personal", "clinical"]
IN_THE_OPEN: tuple[Mark, ...] = ("open",)


@dataclass(frozen=True, slots=True)
class Finding:
    label: str
    says: str


@dataclass(frozen=True, slots=True)
class Reason:
    """A cited source: its id and what it says in our words."""

    id: str
    says: str


@dataclass(frozen=True, slots=True)
class Owed:
    """One line of a digest. `title` carries its [E] mark, `cites` the ids of its sources."""

    name: str
    patient: str
    title: str
    when: str
    cites: str
    red_flag: bool


@dataclass(frozen=True, slots=True)
class Placeholder:
    """`example` is made up and gives the shape: a text, a number, or a tuple of records to loop over."""

    name: str
    says: str
    mark: Mark
    example: Any
    may_be_empty: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        """What each record of a list holds; empty for a text or a number."""
        return tuple(part.name for part in fields(self.example[0])) if self.is_list else ()

    @property
    def is_list(self) -> bool:
        return isinstance(self.example, tuple)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of message. `required` must be readable in the blocks named by `required_in`; a dot names a part."""

    name: str
    audience: Literal["staff", "patient"]
    placeholders: Mapping[str, Placeholder]
    required: tuple[str, ...]
    required_in: tuple[str, ...]
    shown: str = ""
    examples: Mapping[str, Any] = field(default_factory=dict)

    def sample(self) -> dict[str, Any]:
        """Made-up facts, as a preview shows them."""
        return {name: placeholder.example for name, placeholder in self.placeholders.items()} | dict(self.examples)


def _named(*placeholders: Placeholder) -> dict[str, Placeholder]:
    return {placeholder.name: placeholder for placeholder in placeholders}


SAFETY = (
    Placeholder(
        "reasons",
        "the cited sources",
        "clinical",
        (Reason("X0-01", "What the cited source says, in our words."), Reason("X0-02", "What another source says.")),
        may_be_empty=True,
    ),
    Placeholder("engineering_mark", "the sentence that explains [E]", "open", MARK, may_be_empty=True),
    Placeholder("calls_nobody", "for red flags: nobody is called", "open", CALLS_NOBODY, may_be_empty=True),
    Placeholder(
        "disclaimer", "that of the guideline", "open", "Supports coordinators; does not replace clinical judgement."
    ),
)
ROLE = Placeholder("role", "whose work it is: coordinator or clinician", "open", "coordinator")
LETTER = _named(
    Placeholder("kind", "the kind of message, in words", "open", "overdue"),
    ROLE,
    Placeholder("topic", "what it is about, in words that tell no finding", "open", "work for the coordinator"),
    Placeholder("title", "what is to be done, without [E]", "clinical", "Obtain bone densitometry"),
    Placeholder("heading", "what it is about, with [E] where due", "clinical", "Obtain bone densitometry [E]"),
    Placeholder("patient", "the patient's identifier", "personal", "SAMPLE-1", may_be_empty=True),
    Placeholder("episode", "the episode's identifier", "personal", "SAMPLE-1-1", may_be_empty=True),
    Placeholder("state", "where the patient stands", "clinical", "Conservative care", may_be_empty=True),
    Placeholder("noticed", "when it was noticed", "personal", "03-Feb-2026 08:00", may_be_empty=True),
    Placeholder("due", "the day it is due", "personal", "03-Feb-2026", may_be_empty=True),
    Placeholder("overdue_since", "the first day it is overdue", "personal", "18-Feb-2026", may_be_empty=True),
    Placeholder("asked_for", "when an answer was asked for", "personal", "03-Feb-2026 09:10", may_be_empty=True),
    Placeholder(
        "findings",
        "what was found, and why this is told",
        "clinical",
        (Finding("Finding", "A made-up finding"), Finding("Because", "a made-up reason")),
        may_be_empty=True,
    ),
    *SAFETY,
)
DIGEST = _named(
    ROLE,
    Placeholder("day", "the local day", "open", "18-Feb-2026"),
    Placeholder("line", "the four counts in words", "open", "1 red flags, 1 overdue, 1 due today, 0 due in 7 days"),
    Placeholder(
        "news", "what all should know, such as an outage", "open", "2 due while down: 2 sent", may_be_empty=True
    ),
    Placeholder("red_flags", "count of red flags", "open", 1, may_be_empty=True),
    Placeholder("overdue", "count of overdue work", "open", 1, may_be_empty=True),
    Placeholder("due", "count of work due today", "open", 1, may_be_empty=True),
    Placeholder("soon", "count of work due within seven days", "open", 0, may_be_empty=True),
    Placeholder(
        "items",
        f"the work owed now, most urgent first, at most {MOST_ITEMS}",
        "personal",
        (
            Owed("SAMPLE, Ann", "SAMPLE-1", "Red flag: a clinician must act now", "due 18-Feb-2026", "X0-01", True),
            Owed("SAMPLE, Bob", "SAMPLE-2", "Obtain bone densitometry [E]", "1 day overdue", "X0-01, X0-02", False),
        ),
        may_be_empty=True,
    ),
    Placeholder("more", "how much more is owed than `items` holds", "open", 0, may_be_empty=True),
    *SAFETY,
)
PATIENT = _named(
    Placeholder("service_phone", "the number that the patient can call", "open", "01632 960 001"),
)

REQUIRED = ("heading", "reasons.id", "reasons.says", "engineering_mark", "calls_nobody", "disclaimer")
OF_A_DIGEST = ("items.title", "items.cites", *REQUIRED[1:])
DETAILED, TO_A_PATIENT = ("text", "html"), ("text", "html", "brief")
RED_FLAG = {"title": "Red flag: a clinician must act now", "heading": "Red flag: a clinician must act now"}
NO_TASK = {
    "due": "",
    "overdue_since": "",
    "asked_for": "",
    "engineering_mark": "",
    "topic": "please open the pathway",
    "title": "please open the pathway",
}


def _letter(name: str, shown: str = "", **examples: Any) -> Kind:
    shown = shown or name
    return Kind(name, "staff", LETTER, REQUIRED, DETAILED, shown, {"kind": shown} | examples)


def _task(name: str, shown: str = "", **examples: Any) -> Kind:
    return _letter(name, shown, **{"noticed": "", "asked_for": "", "findings": (), "calls_nobody": ""} | examples)


def _to_a_patient(name: str) -> Kind:
    return Kind(name, "patient", PATIENT, ("service_phone",), TO_A_PATIENT)


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        _task(
            "milestone",
            **NO_TASK | {"title": "Four-week reassessment", "heading": "Four-week reassessment"},
            noticed="03-Feb-2026 08:00",
        ),
        _task("due", overdue_since=""),
        _task("overdue"),
        _task("repeat", "still overdue"),
        _task(
            "escalation",
            **RED_FLAG,
            role="clinician",
            overdue_since="",
            asked_for="03-Feb-2026 09:10",
            engineering_mark="",
            calls_nobody=CALLS_NOBODY,
        ),
        _letter("alert", **NO_TASK, role="clinician", heading="Red flag: a clinician must judge it now"),
        _letter("notice", **NO_TASK, heading="A referral that had been sent is withdrawn", calls_nobody=""),
        Kind("digest", "staff", DIGEST, OF_A_DIGEST, DETAILED),
        _to_a_patient("patient-review"),
        _to_a_patient("patient-missed"),
    )
}


def available(kinds: tuple[str, ...], block: str) -> dict[str, Placeholder]:
    """What a block may use: the placeholders that each of these kinds has, without those it must not hold."""
    marks = {"subject": IN_THE_OPEN, "brief": IN_THE_OPEN}.get(block)
    first, *others = (KINDS[kind].placeholders for kind in kinds)
    # Compared whole: the digest's `due` is a count, that of a letter a date of one patient.
    shared = (p for name, p in first.items() if all(other.get(name) == p for other in others))
    return {p.name: p for p in shared if marks is None or p.mark in marks}


def without(facts: Mapping[str, Any], kind: Kind, *, but: str = "") -> dict[str, Any]:
    """The same facts with everything empty that may be, except one."""
    optional = (p for p in kind.placeholders.values() if p.may_be_empty and p.name != but)
    return {**facts, **{placeholder.name: type(placeholder.example)() for placeholder in optional}}


def padded(kind: Kind, text: str, most: int) -> dict[str, Any]:
    """Facts as bad as they come: `text` stands beside each name, and every list has `most` records."""
    facts: dict[str, Any] = {}
    for name, placeholder in kind.placeholders.items():
        example = placeholder.example
        if placeholder.is_list:
            whole = {part: f"{part} {text}" for part in placeholder.parts if part != "red_flag"}
            facts[name] = tuple(replace(example[0], **whole) for _ in range(most))
        else:
            facts[name] = f"{name} {text}" if isinstance(example, str) else example
    # The one text that a template may well compare with: it is ours, and never anything else.
    return facts | ({"kind": kind.shown} if kind.shown else {})
