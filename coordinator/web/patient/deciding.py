"""A form for every decision, correction and administrative step. What a decision asks comes from its guards."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from coordinator.web.patient import wording
from coordinator.web.patient.questions import Form, Options, Question
from coordinator.web.patient.referrals import PROGRESS, service_words, step_words
from coordinator.web.text import _
from pathway.calendar import show_date
from pathway.choices import ASKED_BY
from pathway.deciding import CONTACT_OUTCOMES, DECISION_KINDS, OUTCOMES, RANK, TRIGGERS, role_needed
from pathway.episode import Episode
from pathway.guideline import Guideline, TransitionRule

ADMIN_KINDS = ("contact", "assign", "concern", "withdraw", "transfer_out", "death", "death_correction", "move_site")
CORRECTIONS = ("fracture_date", "identification_date", "care_start", "observation")


def trigger_of(kind: str, fixed: Mapping[str, Any]) -> str | None:
    outcome = str(fixed.get("outcome") or "")
    if kind == "referral_outcome":
        return OUTCOMES.get((str(fixed.get("service") or ""), outcome))
    return TRIGGERS.get((kind, outcome))


def decisions() -> Iterator[tuple[str, dict[str, str]]]:
    """Every decision of the pathway once: its kind and what its outcome fixes."""
    seen = set()
    for (kind, outcome), trigger in TRIGGERS.items():
        if (kind, trigger) not in seen:
            seen.add((kind, trigger))
            yield kind, {"outcome": outcome} if outcome else {}
    for (service, outcome), trigger in OUTCOMES.items():
        if (service, trigger) not in seen:
            seen.add((service, trigger))
            yield "referral_outcome", {"service": service, "outcome": outcome}


def decision_form(kind: str, fixed: Mapping[str, str], guideline: Guideline, today: date) -> Form | None:
    """None where no transition rule knows that decision; without an outcome, the form asks for it."""
    if kind not in DECISION_KINDS:
        return None
    trigger = trigger_of(kind, fixed)
    if trigger is None:
        return _undecided(kind, fixed, guideline, today)
    rules = [rule for rule in guideline.transitions if rule.trigger == trigger]
    needs = role_needed(guideline, trigger)
    says = _("Only a clinician may decide this.") if needs == "clinician" else ""
    return Form("decide", kind, rules[0].title, tuple(_asked(rules, today)), says, needs, dict(fixed))


def _undecided(kind: str, fixed: Mapping[str, str], guideline: Guideline, today: date) -> Form | None:
    """Which of the outcomes it was, and everything that any of them would want to know."""
    if fixed.get("outcome"):
        return None
    service = fixed.get("service", "")
    same = [other for other in decisions() if other[0] == kind and other[1].get("service", "") == service]
    triggers = {outcome["outcome"]: trigger_of(kind, outcome) for _kind, outcome in same if "outcome" in outcome}
    first = {trigger: _first(guideline, trigger) for trigger in triggers.values() if trigger}
    if not first:
        return None
    options = tuple((outcome, first[trigger].title) for outcome, trigger in triggers.items() if trigger)
    which = Question("outcome", _("What is decided?"), "pick", options=options, required=True)
    needs = max((role_needed(guideline, trigger) for trigger in first), key=lambda role: RANK[role])
    rules = [rule for rule in guideline.transitions if rule.trigger in first]
    asked = (replace(q, required=False) for q in _asked(rules, today))
    title = decision_words().get(kind, wording.spaced(kind))
    says = _("Only a clinician may decide this.") if needs == "clinician" else ""
    return Form("decide", kind, title, (which, *asked), says, needs, {"service": service} if service else {})


def _first(guideline: Guideline, trigger: str) -> TransitionRule:
    return next(rule for rule in guideline.transitions if rule.trigger == trigger)


def decision_words() -> dict[str, str]:
    return {
        "start_conservative": _("Start conservative care"),
        "complete_reassessment": _("Complete the reassessment"),
        "review_imaging": _("Judge the imaging"),
        "complete_post_procedure": _("Check the result of the procedure"),
        "referral_outcome": _("What became of the referral"),
        "confirm_augmentation": _("Confirm the referral"),
        "decline_augmentation": _("Decline the referral"),
        "acknowledge_red_flag": _("Acknowledge the red flag"),
        "overrule_red_flag": _("Overrule the red flag"),
        "discharge": _("Discharge"),
    }


def _asked(rules: Sequence[TransitionRule], today: date) -> Iterator[Question]:
    """What the guards of the rules look for, each once, and a reason in words in any case."""
    guards = dict.fromkeys(guard.removeprefix("!") for rule in rules for guard in rule.guards)
    names = dict.fromkeys(name for guard in guards for name in ASKED_BY.get(guard, ()))
    known = _questions(today)
    for name in names:
        yield known[name]
    if "reason" not in names:
        yield replace(known["reason"], required=False)


def question_words(today: date) -> dict[str, str]:
    """What a person can state, in words."""
    return {name: question.label for name, question in _questions(today).items()}


def _questions(today: date) -> dict[str, Question]:
    late = _("Only if it is needed; it is kept with the decision.")
    day = _("Such as 03-Mar-2026, or -3 for three days ago.")
    found = (
        Question("reason", _("Reason"), "long", _("In your own words."), required=True),
        Question("care_start", _("Care started on"), "date", day, first=show_date(today), size=13),
        Question("procedure_date", _("Date of the procedure"), "date", day, required=True, size=13),
        Question("stability_confirmed", _("I confirm that the fracture is stable"), "yes_no"),
        Question("imaging_pending_reason", _("Reason why MRI or CT is still pending"), "long", late),
        Question("no_new_imaging_reason", _("Reason why there is no new imaging"), "long", late),
        Question("imaging_waived_reason", _("Reason why eight-week imaging is waived"), "long", late),
        Question("technique", _("Technique"), "one_of", options=_techniques()),
        Question("override_reason", _("Reason to decide although it is early or work is open"), "long", late),
        Question("handover_confirmed", _("The waiting red flag has been handed over"), "yes_no"),
    )
    return {question.name: question for question in found}


def _techniques() -> Options:
    return (("kyphoplasty", _("Kyphoplasty")), ("vertebroplasty", _("Vertebroplasty")))


# ---------------------------------------------------------------- tasks


def task_form(code: str, guideline: Guideline) -> Form | None:
    rule = guideline.tasks.get(code)
    if rule is None:
        return None
    ways: Options = (
        ("done", _("Done")),
        ("declined", _("Declined (a clinician says so)")),
        ("not_applicable", _("Does not apply (a clinician says so)")),
    )
    questions = (
        Question("how", _("How is this work finished?"), "pick", options=ways, required=True),
        Question("reason", _("Reason"), "long", _("Needed unless it is done.")),
    )
    says = _("It closes when %(closes)s.", closes=rule.closes)
    return Form("task", code, rule.title, questions, says, rule.person_role, {"code": code})


# ---------------------------------------------------------------- administration


def admin_form(
    kind: str, guideline: Guideline, today: date, owners: Sequence[str], about: Mapping[str, str]
) -> Form | None:
    """`about`: which task to look at again, or which step of which referral has come."""
    if kind in ("withdraw", "transfer_out", "death_correction"):
        return _by_rule(kind, guideline, today)
    if kind == "look_again":
        return _look_again(about.get("code", ""), guideline)
    if kind == "referral_progress":
        return _progress(about, today)
    if kind == "assign":
        return _assign(owners)
    makers = {"contact": _contact, "concern": _concern, "death": _death, "move_site": _move_site}
    return makers[kind](today) if kind in makers else None


def _look_again(code: str, guideline: Guideline) -> Form | None:
    rule = guideline.tasks.get(code)
    if rule is None:
        return None
    questions = (
        Question("until", _("Look again on"), "date", _("Such as 23-Mar-2026, or +14 for a fortnight."), required=True),
        Question("reason", _("Reason"), "long", required=True),
    )
    says = _("The work stays open, due and counted; until that day it leaves your list. Red flags cannot wait.")
    return Form(
        "admin", "look_again", _("Look again: %(title)s", title=rule.title), questions, says, fixed={"code": code}
    )


def _progress(about: Mapping[str, str], today: date) -> Form | None:
    service, step = about.get("service", ""), about.get("step", "")
    if service not in service_words() or step not in PROGRESS:
        return None
    ahead = _("The day of the appointment; it may lie ahead, such as +14.")
    hint = ahead if step == "dated" else _("The day it happened, such as 03-Mar-2026 or -3.")
    first = "" if step == "dated" else show_date(today)
    day = Question("date", step_words()[step], "date", hint, required=True, first=first, size=13)
    title = f"{service_words()[service]}: {step_words()[step]}"
    says = _("It moves nobody: the outcome has a form of its own.")
    questions = (day, Question("note", _("Note"), "long"))
    return Form("admin", "referral_progress", title, questions, says, fixed={"service": service, "step": step})


def _by_rule(kind: str, guideline: Guideline, today: date) -> Form:
    rules = [rule for rule in guideline.transitions if rule.trigger == kind]
    return Form("admin", kind, _titles(kind), tuple(_asked(rules, today)), needs=role_needed(guideline, kind))


def _titles(kind: str) -> str:
    known = {
        "withdraw": _("The patient leaves the pathway"),
        "transfer_out": _("Care continues at another service"),
        "death_correction": _("The death was entered in error"),
    }
    return known[kind]


def contact_words() -> dict[str, str]:
    return {
        "reached": _("Reached"),
        "no_answer": _("No answer"),
        "left_message": _("Left a message"),
        "wrong_number": _("Wrong number"),
        "declined": _("Did not want to talk"),
    }


def _contact(today: date) -> Form:
    words = contact_words()
    outcomes = tuple((outcome, words.get(outcome, wording.spaced(outcome))) for outcome in CONTACT_OUTCOMES)
    questions = (
        Question("outcome", _("How did it end?"), "pick", options=outcomes, required=True),
        Question("date", _("Date"), "date", first=show_date(today), size=13),
        Question("note", _("Note"), "long"),
    )
    says = _("A talk decides nothing: record what you heard in its own form as well.")
    return Form("admin", "contact", _("Talk with the patient"), questions, says)


def _assign(owners: Sequence[str]) -> Form:
    options = tuple((name, name) for name in owners)
    who = Question("owner", _("Who looks after the patient from now on?"), "one_of", options=options, required=True)
    return Form("admin", "assign", _("Hand over to a colleague"), (who,))


def _concern(_today: date) -> Form:
    kinds: Options = (
        ("red_flag", _("It may be a red flag")),
        ("death", _("It may be a death")),
        ("other", _("Something else")),
    )
    questions = (
        Question("looks_like", _("What does it look like?"), "pick", options=kinds, required=True),
        Question("text", _("What was said or written"), "long", required=True),
    )
    says = _("A person must read it and record what it means. It moves nobody.")
    return Form("admin", "concern", _("Something that a person must read"), questions, says)


def _death(today: date) -> Form:
    hint = _("Such as 03-Mar-2026; leave open if the day is not known.")
    questions = (
        Question("date", _("Date of death"), "date", hint, size=13),
        Question("reason", _("How it became known"), "long"),
    )
    says = _("It closes every episode and calls off every open referral.")
    return Form("admin", "death", _("The patient has died"), questions, says)


def _move_site(_today: date) -> Form:
    zone = Question("timezone", _("Time zone"), "text", _("Such as Europe/London."), required=True)
    return Form("admin", "move_site", _("The patient moves to another site"), (zone,))


# ---------------------------------------------------------------- corrections


def correction_form(what: str, episode: Episode, today: date, obs_id: str = "") -> Form | None:
    day = _("Such as 03-Mar-2026. The earlier date stays in the journal.")
    reason = Question("reason", _("Reason"), "long", _("What is wrong, and how you know."), required=True)
    if what == "observation":
        found = next((o for o in episode.observations if o.id == obs_id), None)
        if found is None:
            return None
        title = _("Take back: %(kind)s of %(day)s", kind=wording.kind_title(found.kind), day=show_date(found.effective))
        says = _("It stays in the journal, marked as wrong. A red flag in it stays open until a clinician judges it.")
        return Form("correct", what, title, (reason,), says, fixed={"obs_id": obs_id})
    if what == "fracture_date":
        known: Options = (("day", _("The day is known")), ("month", _("Only the month is known")))
        asked = (
            Question("value", _("Date of the fracture"), "date", day, required=True, size=13),
            Question("precision", _("How well is it known?"), "pick", options=known, required=True),
            reason,
        )
        return Form("correct", what, _("Correct the date of the fracture"), asked)
    titles = {
        "identification_date": (_("Correct the date of identification"), _("Identified on")),
        "care_start": (_("Correct the start of care"), _("Care started on")),
    }
    if what not in titles:
        return None
    title, label = titles[what]
    return Form("correct", what, title, (Question("value", label, "date", day, required=True, size=13), reason))
