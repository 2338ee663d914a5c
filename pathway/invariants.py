"""What must hold of every episode at every moment (safety case). Each check names what it found wrong.

These can be judged from one episode; those about time, order and repetition are property tests.
"""

from collections import Counter
from collections.abc import Callable, Iterator

from pathway.episode import Episode
from pathway.guideline import Guideline, Profile

Invariant = Callable[[Episode, Guideline, Profile], Iterator[str]]


def violations(episode: Episode, guideline: Guideline, profile: Profile) -> list[str]:
    """Every broken invariant of this episode, as sentences; empty when all hold."""
    return [f"{episode.id}: {found}" for invariant in INVARIANTS for found in invariant(episode, guideline, profile)]


def nobody_is_lost(episode: Episode, guideline: Guideline, _profile: Profile) -> Iterator[str]:
    """Every open episode is on a worklist and has an open task or a waiting timer."""
    if guideline.is_terminal(episode.state):
        return
    waiting = any(timer.waiting for timer in episode.timers)
    if not waiting and not any(task.status == "open" for task in episode.tasks):
        yield f"no task is open and no timer waits in {episode.path}"


def one_place(episode: Episode, guideline: Guideline, _profile: Profile) -> Iterator[str]:
    """The state and sub-state are ones that the guideline knows."""
    if episode.path not in guideline.paths():
        yield f"{episode.path} is no state of the guideline"


def open_flag_means_surgery(episode: Episode, guideline: Guideline, _profile: Profile) -> Iterator[str]:
    """While a red flag is not judged, an open episode is in surgical referral."""
    active = not guideline.is_terminal(episode.state)
    if active and episode.open_flags() and episode.state != "SURGICAL_REFERRAL":
        yield f"a red flag is open in {episode.path}"


def pending_flag_has_ladder(episode: Episode, _guideline: Guideline, _profile: Profile) -> Iterator[str]:
    """Waiting for a clinician means an open task with a ladder and a drafted (or sent) referral."""
    if episode.path != "SURGICAL_REFERRAL.pending_ack":
        return
    task = episode.open_task("K-SURG-ACK")
    if task is None or task.status != "open":
        yield "a red flag waits without an acknowledgement task"
    if episode.open_referral("surgery") is None:
        yield "a red flag waits without a referral"


def suspicion_has_workup(episode: Episode, guideline: Guideline, _profile: Profile) -> Iterator[str]:
    """A suspected malignancy keeps its work-up task open wherever the patient is."""
    active = not guideline.is_terminal(episode.state)
    if active and episode.malignancy == "suspected" and episode.open_task("K-MALIG") is None:
        yield "malignancy is suspected without an open work-up task"


def one_referral_a_service(episode: Episode, _guideline: Guideline, _profile: Profile) -> Iterator[str]:
    counts = Counter(referral.service for referral in episode.referrals if referral.open)
    for service, count in counts.items():
        if count > 1:
            yield f"{count} referrals to {service} are open"


def one_timer_a_date(episode: Episode, _guideline: Guideline, _profile: Profile) -> Iterator[str]:
    """A timer exists once for its code and due date, and waits once for its code."""
    dates = Counter((timer.code, timer.due) for timer in episode.timers)
    waiting = Counter(timer.code for timer in episode.timers if timer.waiting)
    for (code, due), count in dates.items():
        if count > 1:
            yield f"{code} of {due} exists {count} times"
    for code, count in waiting.items():
        if count > 1:
            yield f"{code} waits {count} times"


def one_open_task_a_code(episode: Episode, _guideline: Guideline, _profile: Profile) -> Iterator[str]:
    counts = Counter(task.code for task in episode.tasks if task.status != "closed")
    for code, count in counts.items():
        if count > 1:
            yield f"{code} is open {count} times"


def terminal_silence(episode: Episode, guideline: Guideline, _profile: Profile) -> Iterator[str]:
    """A closed episode has no timer and no task other than the late critical result."""
    if not guideline.is_terminal(episode.state):
        return
    for timer in episode.timers:
        if timer.waiting:
            yield f"{timer.code} still waits in {episode.state}"
    for task in episode.tasks:
        if task.status != "closed" and task.code != "K-LATE-RESULT":
            yield f"{task.code} is still {task.status} in {episode.state}"


def the_dead_are_left_alone(episode: Episode, _guideline: Guideline, _profile: Profile) -> Iterator[str]:
    if episode.state == "DECEASED":
        if any(task.status != "closed" for task in episode.tasks):
            yield "a task is open for a deceased patient"
        if any(referral.open for referral in episode.referrals):
            yield "a referral is open for a deceased patient"


def tasks_live_in_their_state(episode: Episode, guideline: Guideline, _profile: Profile) -> Iterator[str]:
    """Work that belongs to a state is open only there."""
    for state in guideline.states.values():
        for code in state.tasks:
            task = episode.open_task(code)
            if task is not None and task.status == "open" and episode.state != state.id:
                yield f"{code} is open in {episode.path}"


def calcitonin_has_its_stop(episode: Episode, guideline: Guideline, _profile: Profile) -> Iterator[str]:
    """Once started and not stopped, the stop task is open, or a person has closed it."""
    if guideline.is_terminal(episode.state):
        return
    last = episode.latest("calcitonin", "action")
    started = last is not None and last.data["action"] == "start"
    if started and not any(task.code == "K-CALC-STOP" for task in episode.tasks):
        yield "calcitonin runs without a stop task"


def augmentation_on_hold_for_safety(episode: Episode, _guideline: Guideline, _profile: Profile) -> Iterator[str]:
    """While a red flag or a suspicion stands, no augmentation referral is active."""
    referral = episode.open_referral("augmentation")
    active = referral is not None and referral.status in ("proposed", "sent")
    if active and (episode.path == "SURGICAL_REFERRAL.pending_ack" or episode.malignancy == "suspected"):
        yield "an augmentation referral is active while safety is in question"


INVARIANTS: tuple[Invariant, ...] = (
    nobody_is_lost,
    one_place,
    open_flag_means_surgery,
    pending_flag_has_ladder,
    suspicion_has_workup,
    one_referral_a_service,
    one_timer_a_date,
    one_open_task_a_code,
    terminal_silence,
    the_dead_are_left_alone,
    tasks_live_in_their_state,
    calcitonin_has_its_stop,
    augmentation_on_hold_for_safety,
)
