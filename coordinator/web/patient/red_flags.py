"""The red-flag questions: each must be answered, and Not asked is an answer. Nothing is filled in beforehand."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from coordinator.web.patient import wording
from coordinator.web.patient.questions import NO, NOT_ASKED, YES, Answers, Form, Question
from coordinator.web.text import _
from pathway.assessments import DEFICITS
from pathway.calendar import show_date
from pathway.facts import FIELDS
from pathway.journal import Step

NEURO, FEATURES, IMAGING = "neuro_exam", "malignancy_features", "imaging"
SEEN_ON_IMAGES = (
    "cord_compression",
    "posterior_column",
    "alignment_abnormal",
    "significant_deformity",
    "progressive_kyphosis",
)
SIGNS = ("cancer_history", "weight_loss", "failure_to_improve")
PATHOLOGIC = ("pathologic_confirmed", "pathologic_suspected")
# Which question asks for which red flag of the guideline; the others have forms of their own.
ASKS = {
    "neuro": tuple(name for name in DEFICITS if name != "radicular"),
    "radicular": ("radicular",),
    "cord": ("cord_compression",),
    "instability": ("posterior_column", "alignment_abnormal"),
    "deformity": ("significant_deformity", "progressive_kyphosis"),
    "pathologic_confirmed": ("pathologic_confirmed",),
    "malignancy_suspected": ("pathologic_suspected",),
    "malignancy_feature": ("cancer_history", "weight_loss"),
}
ELSEWHERE = ("high_energy", "multilevel_acute", "multilevel_any")


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    hint: str
    questions: tuple[Question, ...]


def groups(today: date) -> tuple[Group, ...]:
    asked = [_asked(name, wording.label(name)) for name in DEFICITS]
    neuro = (*asked, _asked("complete", wording.label("complete")))
    images = [_asked(name, wording.label(name)) for name in SEEN_ON_IMAGES]
    pathologic = (
        _asked("pathologic_confirmed", _("Pathologic fracture confirmed")),
        _asked("pathologic_suspected", _("Pathologic fracture suspected")),
    )
    modalities = tuple((value, wording.value_word(value)) for value in FIELDS[IMAGING]["modality"].choices)
    which = (
        Question("modality", _("Which imaging?"), "one_of", options=modalities),
        Question("performed", _("Date of the imaging"), "date", _("Such as 03-Mar-2026."), size=13),
    )
    day = Question("effective", _("Asked on"), "date", first=show_date(today), required=True, size=13)
    return (
        Group(_("Neurological examination"), "", neuro),
        Group(_("Signs of malignancy"), "", tuple(_asked(name, wording.label(name)) for name in SIGNS)),
        Group(
            _("Seen on imaging"),
            _("Not asked where no imaging was read. Levels and loss of height have their place under Imaging."),
            (*images, *pathologic, *which),
        ),
        Group(_("When"), "", (day,)),
    )


def _asked(name: str, label: str) -> Question:
    return Question(name, label, "yes_no", required=True)


def red_flag_form(today: date) -> Form:
    questions = tuple(question for group in groups(today) for question in group.questions)
    return Form("observe", "red_flags", _("Red-flag questions"), questions)


def check(answers: Answers) -> None:
    """What does not fit together, said at the question; and that something must have been asked at all."""
    typed = {name: answers.text(name) for name in answers.typed}
    if typed.get("complete") == YES and any(typed.get(name) == NOT_ASKED for name in DEFICITS):
        said = _("An examination is not complete while something was not asked.")
        answers.faults.setdefault("complete", said)
    if any(typed.get(name) in (YES, NO) for name in (*SEEN_ON_IMAGES, *PATHOLOGIC)):
        for name, said in (
            ("modality", _("Which imaging? Findings on imaging need to say so.")),
            ("performed", _("Date of the imaging: findings on imaging need it.")),
        ):
            if name not in answers.data:
                answers.faults.setdefault(name, said)
    if not answers.faults and not any(steps(answers, "", "")):
        answers.faults["motor_deficit"] = _("Nothing was asked, so there is nothing to save.")


def steps(answers: Answers, actor: str, by: str) -> Iterator[Step]:
    """An observation for each kind of which something was answered, the examination first."""
    data, asked_on = answers.data, answers.data.get("effective")
    for kind, names in ((NEURO, (*DEFICITS, "complete")), (FEATURES, SIGNS)):
        found: dict[str, Any] = {name: data[name] for name in names if name in data}
        if found:
            yield Step("observe", kind, {**found, "effective": asked_on}, actor, by)
    seen: dict[str, Any] = {name: data[name] for name in SEEN_ON_IMAGES if name in data} | _pathologic(data)
    if seen:
        which: dict[str, Any] = {name: data[name] for name in ("modality", "performed") if name in data}
        yield Step("observe", IMAGING, {**which, **seen}, actor, by)


def _pathologic(data: Mapping[str, Any]) -> dict[str, str]:
    confirmed, suspected = (data.get(name) for name in PATHOLOGIC)
    if confirmed:
        return {"pathologic": "confirmed"}
    if suspected:
        return {"pathologic": "suspected"}
    return {"pathologic": "none"} if confirmed is False and suspected is False else {}
