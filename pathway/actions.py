"""The closed set of entry actions that a transition rule may name. Each runs once the patient has moved."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

from pathway import assessments
from pathway.episode import WHILE_SUSPENDED, Timer
from pathway.facts import as_date
from pathway.turn import Turn

# What a rule needs beside the turn: the timer whose firing moved the patient, if one did.
Action = Callable[[Turn, Timer | None], None]

ENTRY_TASKS = ("K-NEURO", "K-IMG", "K-START", "K-CAVITD", "K-OPRX", "K-DXA", "K-BONEREF")
CARE_TIMERS = ("REASSESS", "FAILURE_REVIEW")


def open_entry_tasks(turn: Turn, _timer: Timer | None) -> None:
    for code in ENTRY_TASKS:
        turn.open_task(code)


def arm_eight_weeks(turn: Turn, _timer: Timer | None) -> None:
    turn.arm("IMAGING_8W")


def start_care(turn: Turn, _timer: Timer | None) -> None:
    turn.episode.care_start = as_date(turn.data.get("care_start")) or turn.today
    for code in CARE_TIMERS:
        turn.arm(code)


def ask_to_confirm_stability(turn: Turn, _timer: Timer | None) -> None:
    """Care that was running on arrival was accepted without a confirmed stability: a clinician must look."""
    confirmed = turn.data.get("stability_confirmed") is True
    stable = assessments.stability(turn.episode, turn.profile).value == "STABLE"
    if turn.data.get("documented") is True and not confirmed and not stable:
        turn.open_task("K-STABILITY")


def start_care_if_none(turn: Turn, timer: Timer | None) -> None:
    if turn.episode.care_start is None:
        start_care(turn, timer)


def draft_surgery(turn: Turn, _timer: Timer | None) -> None:
    if turn.episode.open_referral("surgery") is None:
        turn.refer("surgery", "draft")


def hold_augmentation(turn: Turn, _timer: Timer | None) -> None:
    found = turn.episode.open_referral("augmentation")
    if found is not None and found.status != "on_hold":
        turn.change_referral(found, "on_hold", held_from=found.status)


def release_augmentation(turn: Turn, _timer: Timer | None) -> None:
    found = turn.episode.open_referral("augmentation")
    back_in_referral = turn.episode.state == "AUGMENTATION_REFERRAL"
    if found is not None and found.status == "on_hold" and back_in_referral:
        turn.change_referral(found, found.held_from or "proposed", held_from=None)


def ask_acknowledgement(turn: Turn, _timer: Timer | None) -> None:
    turn.open_task("K-SURG-ACK")


def open_reassessment(turn: Turn, timer: Timer | None) -> None:
    purpose = turn.guideline.timers[timer.code].purpose if timer else turn.step.kind or turn.step.event
    place = turn.episode.place
    turn.episode.place = replace(place, purposes=(*place.purposes, purpose))
    turn.open_task("K-REASSESS", timer)


def open_imaging_review(turn: Turn, _timer: Timer | None) -> None:
    turn.open_task("K-IMGREV")


def open_three_month_decision(turn: Turn, timer: Timer | None) -> None:
    due = timer or next((t for t in reversed(turn.episode.timers) if t.code == "FAILURE_REVIEW"), None)
    turn.open_task("K-3M-DECISION", due if due and due.due <= turn.today else None)


def propose_augmentation(turn: Turn, _timer: Timer | None) -> None:
    turn.refer("augmentation", "proposed")
    turn.open_task("K-AUG-CONFIRM")


def send_augmentation(turn: Turn, _timer: Timer | None) -> None:
    turn.refer("augmentation", "sent", turn.data.get("technique"))
    turn.close_task("K-AUG-CONFIRM", "decided")
    turn.open_task("K-AUG-OUTCOME")


def decline_augmentation(turn: Turn, _timer: Timer | None) -> None:
    turn.end_referral("augmentation", "declined")


def arm_interval(turn: Turn, _timer: Timer | None) -> None:
    turn.arm("INTERVAL_REVIEW")


def withdraw_augmentation(turn: Turn, _timer: Timer | None) -> None:
    found = turn.episode.open_referral("augmentation")
    if found is not None:
        was_out = "sent" in (found.status, found.held_from)
        done = turn.data.get("outcome") == "augmented"
        turn.end_referral("augmentation", "completed" if done else "withdrawn")
        if was_out and not done:
            turn.notice("REFERRAL_WITHDRAWN", service="augmentation")


def withdraw_held_augmentation(turn: Turn, timer: Timer | None) -> None:
    found = turn.episode.open_referral("augmentation")
    if found is not None and found.status == "on_hold":
        withdraw_augmentation(turn, timer)


def complete_augmentation(turn: Turn, _timer: Timer | None) -> None:
    turn.end_referral("augmentation", "completed")


def send_surgery_urgent(turn: Turn, _timer: Timer | None) -> None:
    turn.refer("surgery", "sent")
    turn.close_task("K-SURG-ACK", "acknowledged")
    turn.open_task("K-SURG-OUTCOME")


def send_surgery_elective(turn: Turn, _timer: Timer | None) -> None:
    turn.refer("surgery", "sent")
    turn.open_task("K-SURG-OUTCOME", elective=True)


def complete_surgery(turn: Turn, _timer: Timer | None) -> None:
    turn.end_referral("surgery", "completed")
    if turn.episode.malignancy == "confirmed":
        turn.close_task("K-MALIG", "confirmed")


def cancel_surgery_draft(turn: Turn, _timer: Timer | None) -> None:
    turn.end_referral("surgery", "cancelled")


def adjudicate_flags(turn: Turn, _timer: Timer | None) -> None:
    """A clinician, or the service that a clinician asked, has judged every open flag."""
    episode = turn.episode
    judged = {flag.source for flag in episode.open_flags()}
    episode.flags = [replace(flag, adjudicated=True) for flag in episode.flags]
    episode.observations = [replace(o, adjudicated=True) if o.id in judged else o for o in episode.observations]
    turn.close_task("K-SURG-ACK", "judged")
    turn.close_task("K-RF-REVIEW", "judged")


def resume_tasks(turn: Turn, _timer: Timer | None) -> None:
    for task in [t for t in turn.episode.tasks if t.status == "suspended"]:
        turn.resume_task(task)


def arm_post_procedure(turn: Turn, _timer: Timer | None) -> None:
    day = as_date(turn.data.get("procedure_date"))
    turn.episode.procedure = day if isinstance(day, date) else turn.today
    turn.arm("POST_PROC_REVIEW")


def cancel_referrals(turn: Turn, _timer: Timer | None) -> None:
    """Death: every open referral is cancelled, and staff are told once."""
    still_open = [referral for referral in turn.episode.referrals if referral.open]
    for referral in still_open:
        turn.change_referral(referral, "cancelled")
    if still_open:
        turn.notice("REFERRALS_CANCELLED", services=[referral.service for referral in still_open])


def name_open_referrals(turn: Turn, _timer: Timer | None) -> None:
    """A person leaves or comes back with a referral out: the engine withdraws nothing, staff are told once."""
    still_open = [referral.service for referral in turn.episode.referrals if referral.open]
    if still_open:
        turn.notice("REFERRAL_STILL_OPEN", services=still_open)


def restore_after_death(turn: Turn, _timer: Timer | None) -> None:
    """Everything is as it was; a service that was told of the death must hear from staff, not from us."""
    cancelled = (turn.episode.closed or {}).get("referrals", [])
    for referral in list(turn.episode.referrals):
        for service, n, status, held_from in cancelled:
            if (referral.service, referral.n) == (service, n):
                turn.change_referral(referral, status, held_from=held_from)
    if cancelled:
        turn.notice("REFERRALS_RESTORED", services=[row[0] for row in cancelled])
    _restore(turn, every_timer=True)


def restore_after_closure(turn: Turn, _timer: Timer | None) -> None:
    _restore(turn, every_timer=False)


def _restore(turn: Turn, *, every_timer: bool) -> None:
    """Wake what the closure put to rest: the tasks that were open and the timers that were waiting."""
    episode = turn.episode
    closed = episode.closed or {"timers": [], "tasks": []}
    for task in [t for t in episode.tasks if [t.code, t.n] in closed["tasks"]]:
        if every_timer or not _belongs_to_a_state(turn, task.code):
            status = "open" if task.closed_how != WHILE_SUSPENDED else "suspended"
            turn.replace_task(task, status=status, closed_at=None, closed_how="", why="")
            turn.note("task_resumed", code=task.code, n=task.n)
    for timer in [t for t in episode.timers if [t.code, t.due.isoformat()] in closed["timers"]]:
        if every_timer or timer.code in (*CARE_TIMERS, "IMAGING_8W"):
            turn.replace_timer(timer, status="pending", why="")
            turn.note("timer_set", code=timer.code, due=timer.due)
    episode.closed = closed.get("before") if every_timer else None


def _belongs_to_a_state(turn: Turn, code: str) -> bool:
    return any(code in state.tasks for state in turn.guideline.states.values())


ACTIONS: dict[str, Action] = {
    action.__name__: action
    for action in (
        open_entry_tasks,
        arm_eight_weeks,
        start_care,
        ask_to_confirm_stability,
        start_care_if_none,
        draft_surgery,
        hold_augmentation,
        release_augmentation,
        ask_acknowledgement,
        open_reassessment,
        open_imaging_review,
        open_three_month_decision,
        propose_augmentation,
        send_augmentation,
        decline_augmentation,
        arm_interval,
        withdraw_augmentation,
        withdraw_held_augmentation,
        complete_augmentation,
        send_surgery_urgent,
        send_surgery_elective,
        complete_surgery,
        cancel_surgery_draft,
        adjudicate_flags,
        resume_tasks,
        arm_post_procedure,
        cancel_referrals,
        name_open_referrals,
        restore_after_death,
        restore_after_closure,
    )
}
