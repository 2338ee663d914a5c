"""Registration as a form: a new patient with their first fracture, or a further fracture of a known one."""

from collections.abc import Sequence
from datetime import date

from coordinator.web.patient import wording
from coordinator.web.patient.questions import Answers, Form, Options, Question
from coordinator.web.text import _
from pathway.calendar import show_date
from pathway.facts import LEVELS, MECHANISMS
from pathway.guideline import Guideline

# What belongs to the person and not to the fracture.
IDENTITY = ("patient", "surname", "given")


def registration_form(guideline: Guideline, today: date, owners: Sequence[str]) -> Form:
    genders: Options = (("F", _("Female")), ("M", _("Male")), ("other", _("Other")))
    born = Question("birth_date", _("Born"), "date", _("Such as 03-Mar-1945."), size=13)
    person = (
        Question(
            "patient", _("Number"), "text", _("The service's own identifier, such as the NHS number."), required=True
        ),
        Question("surname", _("Surname"), "text", required=True),
        Question("given", _("Given name"), "text"),
        born,
        Question("sex", _("Gender"), "one_of", options=genders),
    )
    says = _("Check first that the patient is not here already: find them by name, number or date of birth.")
    return Form("register", "", _("Register a patient"), (*person, *_fracture(guideline, today, owners)), says)


def further_form(guideline: Guideline, today: date, owners: Sequence[str]) -> Form:
    says = _("A further fracture opens an episode of its own; surveillance of an earlier one ends.")
    return Form("new_fracture", "", _("Register a further fracture"), _fracture(guideline, today, owners), says)


def _fracture(guideline: Guideline, today: date, owners: Sequence[str]) -> tuple[Question, ...]:
    precisions: Options = (
        ("day", _("The day is known")),
        ("month", _("Only the month is known")),
        ("unknown", _("Not known: the date of identification stands in")),
    )
    mechanisms = tuple((m, wording.value_word(m)) for m in MECHANISMS if m != "unknown")
    scope = ", ".join(guideline.scope_levels)
    levels = tuple((level, level) for level in LEVELS)
    override = _("The pathway is for %(scope)s. Only a clinician may take in another level.", scope=scope)
    return (
        Question("level", _("Fractured level"), "one_of", options=levels, required=True),
        Question(
            "fracture_date", _("Date of the fracture"), "date", _("Such as 03-Mar-2026; open if not known."), size=13
        ),
        Question("fracture_date_precision", _("How well is the date known?"), "pick", options=precisions),
        Question("identification_date", _("Identified on"), "date", first=show_date(today), required=True, size=13),
        Question("mechanism", _("How it happened"), "one_of", options=mechanisms),
        Question("first_fracture", _("This is the first fracture"), "yes_no"),
        Question("scope_override", _("Take in a level outside the pathway"), "yes_no", override),
        Question("owner", _("Who looks after the patient"), "one_of", options=tuple((o, o) for o in owners)),
    )


def check(answers: Answers) -> None:
    """A date with no word on how well it is known is asked for: it sets every clock."""
    data = answers.data
    if "fracture_date" in data and "fracture_date_precision" not in data:
        answers.faults.setdefault("fracture_date_precision", _("Say how well the date of the fracture is known."))
    if "fracture_date" not in data and data.get("fracture_date_precision") in ("day", "month"):
        answers.faults.setdefault("fracture_date", _("The date is said to be known, but it is not given."))
