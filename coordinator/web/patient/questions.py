"""A form as values: what it asks, and what people typed into it, read or named with its fault."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from starlette.datastructures import FormData

from coordinator.cohort_file.dates import read_date
from coordinator.web.text import _

YES, NO, NOT_ASKED = "yes", "no", "unknown"
Options = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Question:
    """`shape`: yes_no, number, one_of (a list), pick (radio buttons), levels, date, text or long."""

    name: str
    label: str
    shape: str = "text"
    hint: str = ""
    options: Options = ()
    required: bool = False
    first: str = ""
    size: int = 20


@dataclass(frozen=True, slots=True)
class Form:
    """What one step of the engine needs to know. `fixed`: what the form itself says; `needs`: the least role."""

    event: str
    kind: str
    title: str
    questions: tuple[Question, ...] = ()
    says: str = ""
    needs: str = "coordinator"
    fixed: Mapping[str, Any] = field(default_factory=dict)
    note: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(question.name for question in self.questions)


@dataclass(slots=True)
class Answers:
    """`typed`: everything as it was typed, to be shown again; `data`: what could be read; `faults`: by question."""

    typed: dict[str, list[str]] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        return next(iter(self.typed.get(name, ())), "")


def blank(form: Form) -> Answers:
    return Answers({question.name: [question.first] for question in form.questions if question.first})


def read(form: Form, sent: FormData, today: date) -> Answers:
    answers = Answers({name: [str(value) for value in sent.getlist(name)] for name in form.names})
    for question in form.questions:
        value, fault = _value(question, answers.typed[question.name], today)
        if fault:
            answers.faults[question.name] = fault
        elif value is not None:
            answers.data[question.name] = value
        elif question.required and not any(text.strip() for text in answers.typed[question.name]):
            answers.faults[question.name] = _("%(what)s: this must be answered.", what=question.label)
    return answers


def _value(question: Question, typed: list[str], today: date) -> tuple[Any, str]:
    text = typed[0].strip() if typed else ""
    if question.shape == "levels":
        return [level for level in typed if level] or None, ""
    if not text or (question.shape == "yes_no" and text == NOT_ASKED):
        return None, ""
    if question.shape == "yes_no":
        return (text == YES, "") if text in (YES, NO) else (None, _("Answer yes, no or not asked."))
    if question.shape in ("one_of", "pick"):
        known = [value for value, _word in question.options]
        return (text, "") if text in known else (None, _("%(text)s is not one of the choices.", text=repr(text)))
    if question.shape == "number":
        return _number(question, text)
    if question.shape == "date":
        return read_day(question.label, text, today)
    return text, ""


def _number(question: Question, text: str) -> tuple[Any, str]:
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return None, _("%(what)s: %(text)s is not a number; expected %(hint)s.", **_said(question, text))
    if number - number != 0:
        return None, _("%(what)s: %(text)s is not a number; expected %(hint)s.", **_said(question, text))
    return int(number) if number == int(number) else number, ""


def _said(question: Question, text: str) -> dict[str, str]:
    return {"what": question.label, "text": repr(text), "hint": question.hint}


def read_day(what: str, text: str, today: date) -> tuple[date | None, str]:
    """A day as people type it: dd-Mmm-yyyy, dd/mm/yyyy, or +14 and -3 as days from today."""
    if text[:1] in "+-" and text[1:].strip().isdigit() and len(text) <= 6:
        return today + timedelta(days=int(text)), ""
    found = read_date(text, "dmy")
    if isinstance(found, date):
        return found, ""
    because = getattr(found, "because", _("names a month only"))
    expected = _("expected a day such as 03-Mar-2026")
    return None, _(
        "%(what)s: %(text)s %(because)s; %(expected)s.", what=what, text=repr(text), because=because, expected=expected
    )
