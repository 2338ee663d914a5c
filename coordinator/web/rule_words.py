"""The names that the rules use inside, as people say them."""

from collections.abc import Callable, Mapping

from coordinator.web.text import _, counted
from pathway.guideline import Guideline, Parameter, Profile, TransitionRule

Words = Callable[[], Mapping[str, str]]


def phase(name: str) -> str:
    known = {
        "assess": _("Assess"),
        "care": _("Care"),
        "review": _("Review"),
        "refer": _("Refer"),
        "after": _("After"),
        "end": _("End"),
    }
    return known.get(name, name)


def guard(name: str) -> str:
    """A guard as a sentence; one with ! must not hold."""
    known = guards()
    bare = name.removeprefix("!")
    said = known.get(bare, bare.replace("_", " "))
    return _("NOT so: %(what)s", what=said) if name.startswith("!") else said


def guards() -> dict[str, str]:
    return {
        "neuro_examined": _("a complete neurological examination is recorded"),
        "neuro_clear": _("the latest neurological examination found no deficit"),
        "imaging_or_reason": _("an MRI or CT is on file, or a reason why it is pending"),
        "no_red_flag_open": _("no red flag waits to be judged by a clinician"),
        "malignancy_not_suspected": _("malignancy is not suspected, or was excluded"),
        "stability_accepted": _("the fracture is stable, or a clinician confirms that it is"),
        "care_start_in_order": _("the day care started is not before the fracture and not in the future"),
        "symptoms_fresh": _("a recent symptom status is recorded"),
        "pain_resolved": _("the newest symptom status says that pain has resolved"),
        "pain_not_resolved": _("the newest symptom status does not say that pain has resolved"),
        "eight_weeks_settled": _("the eight-week imaging question is answered or not yet due"),
        "eight_weeks_settled_by_review": _("the eight-week imaging question is answered, or care has not started"),
        "eight_week_imaging_automatic": _("the profile orders eight-week imaging without asking"),
        "pain_persists": _("the newest symptom status says that pain persists or care fails"),
        "care_failing": _("care fails, as the profile defines it"),
        "imaging_current": _("the newest MRI or CT is not more than three months old"),
        "time_or_indication": _("care has run its time, or there is an early indication or a reason to refer early"),
        "technique_allowed": _("the profile allows the technique that was named"),
        "reason_given": _("a reason in words is given"),
        "imaging_since_entry": _("imaging was recorded since the review began, or a reason why there is none"),
        "red_flag_acknowledged": _("a clinician has acknowledged the red flag"),
        "procedure_date_in_order": _("the day of the procedure is not before the fracture and not in the future"),
        "surgery_already_sent": _("a surgical referral is already out"),
        "care_started": _("conservative care has started"),
        "twelve_months_or_reason": _("surveillance is complete, or a reason is given"),
        "bone_tasks_closed_or_reason": _("bone-health and safety work is closed, or a reason is given"),
        "handover_confirmed": _("no red flag waits, or its handover is confirmed"),
    }


def anchor(name: str) -> str:
    known = {
        "onset": _("the fracture"),
        "identification": _("identification"),
        "care_start": _("the start of conservative care"),
        "procedure": _("the procedure"),
        "entry": _("coming to the state"),
        "today": _("the day it is opened"),
        "timer": _("the due date of the timer that opened it"),
        "calcitonin": _("the start of calcitonin"),
    }
    return known.get(name, name)


def who(rule: TransitionRule, guideline: Guideline) -> str:
    """Who may cause a move."""
    if rule.trigger in guideline.timers:
        return _("The engine, when the timer falls due")
    known = {
        "system": _("The engine, when it is recorded"),
        "coordinator": _("A coordinator or a clinician"),
        "clinician": _("A clinician"),
    }
    return known.get(rule.actor, rule.actor)


def role(name: str) -> str:
    return {"coordinator": _("Coordinator"), "clinician": _("Clinician")}.get(name, name)


def closing(name: str) -> str:
    known = {
        "data": _("what is recorded"),
        "decision": _("a decision"),
        "state": _("leaving the state"),
        "person": _("a person who ticks it off"),
    }
    return known.get(name, name)


def span(value: object, unit: str) -> str:
    """A value of a profile with its unit, such as 28 days or 3 calendar months."""
    if isinstance(value, Mapping):
        months, days = int(value.get("months", 0)), int(value.get("days", 0))
        if months:
            return counted("%(num)s calendar month", "%(num)s calendar months", months)
        return days_of(days)
    if isinstance(value, tuple | list):
        return ", ".join(span(part, unit) for part in value)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if unit == "days" and isinstance(value, int):
        return days_of(value)
    if unit == "calendar months" and isinstance(value, int):
        return counted("%(num)s calendar month", "%(num)s calendar months", value)
    return f"{value} {unit}".strip()


def days_of(number: int) -> str:
    return counted("%(num)s day", "%(num)s days", number)


def parameter(found: Parameter, index: int | None = None) -> str:
    return span(found.value if index is None else found.value[index], found.unit)


def signed(profile: Profile) -> str:
    if profile.sign_off:
        return _("Signed off: %(who)s", who=profile.sign_off)
    return _("No clinician has signed this off.")
