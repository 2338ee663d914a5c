"""Leaving one state and entering another, and what a due timer says in the state where it finds the patient."""

from dataclasses import replace

from pathway import assessments
from pathway.actions import ACTIONS, start_care_if_none
from pathway.episode import WHILE_SUSPENDED, Episode, Place, Timer
from pathway.journal import Refusal
from pathway.machine import Machine, Move
from pathway.turn import Turn

LATE_RESULT = "K-LATE-RESULT"
# Work without which nobody would look after a patient in that state.
HOME_TASKS = {"ACUTE_ASSESSMENT": ("K-START",), "REASSESSMENT": ("K-REASSESS",)}
NOT_BY_A_PERSON = ("left_state", "episode closed", WHILE_SUSPENDED)
CLOCKS = ("REASSESS", "IMAGING_8W", "FAILURE_REVIEW", "INTERVAL_REVIEW")


def move(turn: Turn, machine: Machine, trigger: str, timer: Timer | None = None) -> Refusal | None:
    """Make the move that `trigger` causes, with everything that leaving and entering entails."""
    former = former_place(turn.episode)
    asked = machine.ask(turn, trigger, former)
    if isinstance(asked, Refusal):
        return asked
    _note_transition(turn, asked)
    origin = turn.episode.place
    destination = _destination(turn, asked, former)
    _leave(turn, origin, destination, trigger)
    turn.episode.place = destination
    for action in asked.rule.actions:
        ACTIONS[action](turn, timer)
    _settle_in(turn, origin)
    if destination.state == "CONSERVATIVE_CARE":
        _enter_conservative_care(turn, machine)
    return None


def _note_transition(turn: Turn, asked: Move) -> None:
    state, _, sub = asked.to.partition(".")
    turn.note(
        "transition",
        **{"from": turn.episode.state, "to": state},
        from_sub=turn.episode.sub,
        to_sub=sub or None,
        rule=asked.rule.id,
        actor=turn.step.actor,
        by=turn.step.by or None,
        reason=turn.data.get("reason"),
        because=list(asked.because),
        cites=list(asked.rule.cites),
        profile=turn.episode.profile,
        profile_version=turn.profile.version,
    )


def former_place(episode: Episode) -> Place | None:
    """Where "back" leads: the place before a red flag or a death, or where an imaging review came from."""
    if episode.state == "DECEASED" and episode.closed is not None:
        return Place(**{**episode.closed["place"], "purposes": tuple(episode.closed["place"]["purposes"])})
    if episode.state == "SURGICAL_REFERRAL":
        return episode.former
    return _imaging_return(episode) if episode.state == "IMAGING_REVIEW" else None


def _imaging_return(episode: Episode) -> Place:
    came_from = episode.place.imaging_from
    if came_from in ("POST_PROCEDURE", "SURVEILLANCE"):
        return Place(came_from)
    referral = episode.open_referral("augmentation")
    if referral is not None and referral.status == "on_hold":
        return Place("REASSESSMENT")
    return Place("CONSERVATIVE_CARE" if episode.care_start else "ACUTE_ASSESSMENT")


def _destination(turn: Turn, asked: Move, former: Place | None) -> Place:
    state, _, sub = asked.to.partition(".")
    if asked.rule.to == "@former" and former is not None:
        return former
    if state != "IMAGING_REVIEW":
        return Place(state, sub or None)
    origin = turn.episode.place
    if origin.state == "SURGICAL_REFERRAL" and turn.episode.former is not None:
        origin = turn.episode.former
    came_from = origin.imaging_from if origin.state == "IMAGING_REVIEW" else origin.state
    return Place(state, sub or None, (), came_from, turn.episode.seq)


def _leave(turn: Turn, origin: Place, destination: Place, trigger: str) -> None:
    if trigger == "death_correction":
        return
    if turn.guideline.is_terminal(destination.state):
        _close(turn, destination)
        return
    if origin.state == destination.state or turn.guideline.is_terminal(origin.state):
        return
    if trigger == "red_flag":
        turn.episode.former = origin
    for code in turn.guideline.states[origin.state].tasks:
        if trigger == "red_flag":
            turn.suspend_task(code)
        else:
            turn.close_task(code, "left_state")
    if trigger == "red_flag":
        turn.suspend_task("K-3M-DECISION")
    for rule in turn.guideline.timers.values():
        if destination.state in rule.cancelled_by:
            turn.cancel_timer(rule.code, f"entered {destination.state}")
        if rule.lives_in == origin.state:
            turn.cancel_timer(rule.code, f"left {origin.state}")


def _close(turn: Turn, destination: Place) -> None:
    """An end: every timer and task is put to rest, and remembered in case a clinician comes back to it."""
    episode = turn.episode
    remembered = episode.closed or {"timers": [], "tasks": []}
    waiting = [timer for timer in episode.timers if timer.waiting]
    # A critical result outlives a discharge, but nobody is chased about the dead.
    kept = () if destination.state == "DECEASED" else (LATE_RESULT,)
    tasks = [task for task in episode.tasks if task.status != "closed" and task.code not in kept]
    place = episode.place
    episode.closed = {
        "place": {
            "state": place.state,
            "sub": place.sub,
            "purposes": list(place.purposes),
            "imaging_from": place.imaging_from,
            "imaging_since": place.imaging_since,
        },
        "before": remembered if turn.guideline.is_terminal(place.state) else None,
        "timers": [[timer.code, timer.due.isoformat()] for timer in waiting],
        "tasks": [[task.code, task.n] for task in tasks],
        "referrals": [[r.service, r.n, r.status, r.held_from] for r in episode.referrals if r.open],
    }
    for timer in waiting:
        turn.cancel_timer(timer.code, f"entered {destination.state}")
    for task in tasks:
        how = WHILE_SUSPENDED if task.status == "suspended" else "episode closed"
        turn.close_task(task.code, how)


def _settle_in(turn: Turn, origin: Place) -> None:
    """What being in a state entails, whichever rule led there."""
    episode = turn.episode
    state = episode.state
    if turn.guideline.is_terminal(state):
        return
    if origin.state == "SURGICAL_REFERRAL" and state != "SURGICAL_REFERRAL":
        episode.former = None
        _end_suspension(turn)
    if state in ("POST_PROCEDURE", "SURVEILLANCE"):
        turn.close_task("K-3M-DECISION", "left_state")
    for code in HOME_TASKS.get(state, ()):
        if episode.open_task(code) is None:
            turn.open_task(code)
    if state in ("SURVEILLANCE", "POST_PROCEDURE") and origin.state != state:
        _resume_watch(turn, state)


def _end_suspension(turn: Turn) -> None:
    """A three-month decision survives the surgical referral; other suspended work has lost its state."""
    for task in [t for t in turn.episode.tasks if t.status == "suspended"]:
        if task.code == "K-3M-DECISION" and "FAILURE_REVIEW" not in turn.episode.satisfied:
            turn.resume_task(task)
        else:
            turn.close_task(task.code, "left_state")


def _resume_watch(turn: Turn, state: str) -> None:
    """Waiting checks are set again; one that fired and no person closed is owed again."""
    for rule in turn.guideline.timers.values():
        if rule.lives_in == state:
            turn.arm(rule.code)
        if state in rule.effects:
            _reopen_if_left(turn, rule.code, rule.effects[state])


def _reopen_if_left(turn: Turn, timer_code: str, task_code: str) -> None:
    timers = [timer for timer in turn.episode.timers if timer.code == timer_code]
    tasks = [task for task in turn.episode.tasks if task.code == task_code]
    if timers and timers[-1].status == "fired" and tasks and tasks[-1].closed_how in NOT_BY_A_PERSON:
        turn.open_task(task_code, timers[-1])


def _enter_conservative_care(turn: Turn, machine: Machine) -> None:
    """Milestones that fired and were never satisfied speak again, without a second milestone reminder."""
    start_care_if_none(turn, None)
    ranked = turn.guideline.timers
    owed = [t for t in (turn.episode.owed(code) for code in ranked if ranked[code].milestone) if t]
    for timer in sorted(owed, key=lambda t: (t.due, ranked[t.code].rank)):
        if turn.episode.state not in ranked[timer.code].effects:
            continue
        turn.note("milestone_still_owed", code=timer.code, due=timer.due)
        speak(turn, machine, timer)
    running = any(turn.episode.waiting_timer(code) for code in CLOCKS)
    if turn.episode.state == "CONSERVATIVE_CARE" and not running:
        turn.arm("INTERVAL_REVIEW")


def speak(turn: Turn, machine: Machine, timer: Timer) -> str:
    """Do what a due timer does in this state; the answer is its outcome."""
    rule = turn.guideline.timers[timer.code]
    if timer.code == "IMAGING_8W" and assessments.eight_week_imaging(turn.episode, turn.profile):
        turn.satisfy("IMAGING_8W", "imaging")
        return "satisfied_by_imaging"
    effect = rule.effects[turn.episode.state]
    if effect == "move":
        refusal = move(turn, machine, timer.code, timer)
        assert refusal is None, f"{timer.code} has no way out of {turn.episode.state}: {refusal}"
        return "move"
    if effect == "purpose":
        _add_purpose(turn, rule.purpose)
        turn.open_task("K-REASSESS", timer)
        return "purpose_added"
    if effect == "in_review":
        return "already_in_imaging_review"
    turn.open_task("K-3M-DECISION" if effect == "decision" else effect, timer)
    return "task"


def _add_purpose(turn: Turn, purpose: str) -> None:
    place = turn.episode.place
    if purpose not in place.purposes:
        turn.episode.place = replace(place, purposes=(*place.purposes, purpose))
