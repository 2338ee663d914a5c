"""A form for every kind of observation, made from the fields of the pathway."""

from datetime import date

from coordinator.web.patient import wording
from coordinator.web.patient.questions import Answers, Form, Options, Question
from coordinator.web.text import _
from pathway.calendar import show_date
from pathway.facts import FIELDS, OWN_DATE, Field, dated, parsed

EFFECTIVE, NOTE = "effective", "note"


def observation_form(kind: str, today: date) -> Form:
    own = OWN_DATE.get(kind, EFFECTIVE)
    hint = _("The day it was true, such as 03-Mar-2026, or -3 for three days ago.")
    day = Question(own, wording.when_label(own), "date", hint, required=True, first=show_date(today), size=13)
    questions = [day, *(question(name, spec) for name, spec in FIELDS[kind].items() if name != own)]
    questions.append(Question(NOTE, _("Note"), "long"))
    says = _("What is left open stays not known. Nothing is assumed.")
    return Form("observe", kind, wording.kind_title(kind), tuple(questions), says)


def question(name: str, spec: Field) -> Question:
    if spec.shape == "date":
        return Question(name, wording.label(name), "date", _("Such as 03-Mar-2026, or -3 for three days ago."))
    if spec.shape == "number":
        return Question(name, wording.label(name), "number", spec.expected, size=8)
    options: Options = ()
    if spec.choices:
        options = tuple((value, wording.value_word(value)) for value in spec.choices)
    return Question(name, wording.label(name), spec.shape, options=options)


def check(kind: str, answers: Answers, today: date, birth: date | None) -> None:
    """Add the faults that the engine would find, each to its question, and the fault of an empty form."""
    if answers.faults:
        return
    _good, faults = parsed(kind, answers.data)
    _when, of_dates = dated(kind, answers.data, answers.data.get(EFFECTIVE), today, birth)
    for fault in [*faults, *of_dates]:
        spec = FIELDS[kind].get(fault.field)
        if fault.code == "OUT_OF_RANGE" and spec is not None:
            shown = {"what": wording.label(fault.field), "text": answers.text(fault.field), "expected": spec.expected}
            answers.faults[fault.field] = _("%(what)s was %(text)s; expected %(expected)s.", **shown)
        else:
            answers.faults[fault.field] = _of_a_date(fault.code, fault.field)
    if not answers.data.keys() & (FIELDS[kind].keys() - {OWN_DATE.get(kind)}):
        answers.faults[next(name for name in FIELDS[kind] if name != OWN_DATE.get(kind))] = _(
            "Nothing is answered yet: answer at least one question."
        )


def _of_a_date(code: str, name: str) -> str:
    what = wording.when_label(name)
    if code == "DATE_ORDER":
        return _("%(what)s: this day is before the birth of the patient.", what=what)
    return _("%(what)s: this day lies in the future.", what=what)
