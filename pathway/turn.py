"""One step being taken on one episode: the working copy, the instant, and everything the step causes.

The verbs here change one thing each and note it in the journal line; which of them happens when is decided in
the rooms above (moving, firing, observing, deciding).
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from pathway.calendar import add_months, local_date
from pathway.episode import Episode, Flag, Referral, Task, Timer, altered
from pathway.guideline import Guideline, Profile, TaskRule, TimerRule
from pathway.journal import Entry, Refusal, Step, plain, written


class Turn:
    """`episode` is a copy that nobody else sees: a turn that ends in a refusal is simply dropped."""

    def __init__(self, episode: Episode, guideline: Guideline, profile: Profile, at: datetime, step: Step) -> None:
        self.episode = episode
        self.episode.seq += 1
        self.guideline = guideline
        self.profile = profile
        self.at = at
        self._zone = episode.zone
        self.step = step
        self.effects: list[dict[str, Any]] = []

    @cached_property
    def today(self) -> date:
        """The date at the site as it was when the step began, also where the step moves it to another zone."""
        return local_date(self.at, self._zone)

    @property
    def data(self) -> Mapping[str, Any]:
        return self.step.data

    def note(self, event: str, **fields: Any) -> None:
        known = {name: plain(value) for name, value in fields.items() if value is not None}
        self.effects.append({"event": event, **known})

    def spend_event_id(self) -> None:
        """Accepted or refused, a message has had its effect: the same id again has none."""
        if self.step.event_id is not None:
            self.episode.event_ids.append(self.step.event_id)

    def entry(self, kind: str, occurred_at: datetime, refusal: Refusal | None = None) -> Entry:
        step = written(self.step)
        return Entry(self.episode.seq, kind, occurred_at, self.at, step.actor, step, tuple(self.effects), refusal)

    # ---------------------------------------------------------------- tasks

    def open_task(self, code: str, timer: Timer | None = None, *, elective: bool = False) -> None:
        """Open a task, or let the earlier dates win where it is open already."""
        rule = self.guideline.tasks[code]
        due, overdue = self._task_dates(rule, timer, elective=elective)
        found = self.episode.open_task(code)
        if found is None:
            self._new_task(rule, due, overdue, elective=elective)
        elif due < found.due or overdue < found.overdue_after:
            self.redate_task(found, min(due, found.due), min(overdue, found.overdue_after))

    def _task_dates(self, rule: TaskRule, timer: Timer | None, *, elective: bool) -> tuple[date, date]:
        if timer is not None and rule.anchor == "timer":
            return timer.due, timer.due + self.overdue_span(self.guideline.timers[timer.code])
        anchor = self._task_anchor(rule)
        days = rule.elective_days if elective and rule.elective_days else rule.due_days
        if rule.due_parameter:
            days = self.profile[rule.due_parameter]
        due = anchor + timedelta(days=days)
        if rule.overdue_days is None or elective:
            return due, due
        return due, anchor + timedelta(days=rule.overdue_days)

    def _task_anchor(self, rule: TaskRule) -> date:
        if rule.anchor == "identification":
            return self.episode.identification
        if rule.anchor == "calcitonin" and self.profile["calcitonin.stop_anchor"] == "identification":
            return self.episode.identification
        if rule.anchor == "calcitonin":
            started = self.episode.latest("calcitonin", "action")
            return started.effective if started else self.today
        return self.today

    def overdue_span(self, rule: TimerRule) -> timedelta:
        if rule.overdue_parameter:
            return timedelta(days=self.profile[rule.overdue_parameter] - self.profile[rule.parameter])
        return timedelta(days=rule.overdue_days)

    def _new_task(self, rule: TaskRule, due: date, overdue: date, *, elective: bool) -> None:
        n = 1 + sum(1 for task in self.episode.tasks if task.code == rule.code)
        repeat = rule.elective_repeat_days if elective else rule.repeat_days
        self.episode.tasks.append(Task(rule.code, n, self.at, due, overdue, repeat))
        self.note("task_opened", code=rule.code, n=n, due=due, overdue_after=overdue)

    def redate_task(self, task: Task, due: date, overdue: date) -> None:
        self.replace_task(task, due=due, overdue_after=overdue, reminded_on=None)
        self.note("task_redated", code=task.code, n=task.n, due=due, overdue_after=overdue)

    def replace_task(self, task: Task, **changes: Any) -> None:
        at = self.episode.tasks.index(task)
        self.episode.tasks[at] = altered(task, **changes)

    def close_task(self, code: str, how: str, why: str = "") -> None:
        task = self.episode.open_task(code)
        if task is not None:
            self.replace_task(task, status="closed", closed_at=self.at, closed_how=how, why=why)
            self.note("task_closed", code=code, n=task.n, how=how, reason=why or None)

    def suspend_task(self, code: str) -> None:
        task = self.episode.open_task(code)
        if task is not None and task.status == "open":
            self.replace_task(task, status="suspended")
            self.note("task_suspended", code=code, n=task.n)

    def resume_task(self, task: Task) -> None:
        self.replace_task(task, status="open")
        self.note("task_resumed", code=task.code, n=task.n)

    # ---------------------------------------------------------------- timers

    def timer_due(self, rule: TimerRule) -> date:
        """Where a timer falls by its anchor and the profile: days on dates, months clamped from the anchor."""
        anchors = {
            "onset": self.episode.onset,
            "care_start": self.episode.care_start,
            "procedure": self.episode.procedure,
            "entry": self.today,
        }
        anchor = anchors[rule.anchor]
        assert anchor is not None, f"{rule.code} armed before {rule.anchor} is known"
        return offset_by(anchor, self._span(rule))

    def _span(self, rule: TimerRule) -> Any:
        value = self.profile[rule.parameter]
        return value if rule.parameter_index is None else {"months": value[rule.parameter_index]}

    def arm(self, code: str) -> None:
        """Set a timer by the anchors as they stand. A due date is used once: a cancelled one wakes again."""
        rule = self.guideline.timers[code]
        due = self.timer_due(rule)
        same = next((t for t in self.episode.timers if t.code == code and t.due == due), None)
        waiting = self.episode.waiting_timer(code)
        if waiting is not None and waiting is not same:
            self.replace_timer(waiting, status="superseded")
            self.note("timer_superseded", code=code, due=waiting.due, by=due)
        if same is None:
            self.episode.timers.append(Timer(code, due))
            self.note("timer_set", code=code, due=due)
        elif same.status in ("cancelled", "superseded"):
            self.replace_timer(same, status="pending", why="")
            self.note("timer_set", code=code, due=due)

    def replace_timer(self, timer: Timer, **changes: Any) -> None:
        at = self.episode.timers.index(timer)
        self.episode.timers[at] = altered(timer, **changes)

    def cancel_timer(self, code: str, why: str) -> None:
        timer = self.episode.waiting_timer(code)
        if timer is not None:
            self.replace_timer(timer, status="cancelled", why=why)
            self.note("timer_cancelled", code=code, due=timer.due, reason=why)

    def satisfy(self, code: str, how: str) -> None:
        """A milestone is finished: by what satisfies it, never by having fired."""
        if code not in self.episode.satisfied:
            self.episode.satisfied[code] = how
            self.note("milestone_satisfied", code=code, by=how)
        self.cancel_timer(code, f"satisfied: {how}")
        if code == "FAILURE_REVIEW":
            self.close_task("K-3M-DECISION", "decided")

    # ---------------------------------------------------------------- referrals, flags, people

    def refer(self, service: str, status: str, technique: str | None = None) -> None:
        """Draft, propose or send: one open referral a service, never a second."""
        found = self.episode.open_referral(service)
        if found is not None:
            self.change_referral(found, status, technique=technique or found.technique, held_from=None)
            return
        n = 1 + sum(1 for referral in self.episode.referrals if referral.service == service)
        self.episode.referrals.append(Referral(service, n, status, self.at, self.at, technique))
        self.note("referral", service=service, n=n, status=status, technique=technique)

    def change_referral(self, referral: Referral, status: str, **changes: Any) -> None:
        at = self.episode.referrals.index(referral)
        self.episode.referrals[at] = replace(referral, status=status, changed_at=self.at, **changes)
        self.note("referral", service=referral.service, n=referral.n, status=status, was=referral.status)

    def progress_referral(self, referral: Referral, progress: tuple[tuple[str, str], ...]) -> None:
        at = self.episode.referrals.index(referral)
        self.episode.referrals[at] = replace(referral, progress=progress)

    def end_referral(self, service: str, status: str) -> None:
        found = self.episode.open_referral(service)
        if found is not None:
            self.change_referral(found, status, held_from=None)

    def raise_flags(self, codes: tuple[str, ...], source: str) -> None:
        self.episode.flags.extend(Flag(code, source, self.at) for code in codes)

    def alert(self, code: str, **fields: Any) -> None:
        self.note("alert", code=code, **fields)

    def notice(self, code: str, **fields: Any) -> None:
        self.note("notice", code=code, **fields)


def offset_by(anchor: date, span: Any) -> date:
    """`span` is days as a number, {"days": n} or {"months": n}; months clamp to the end of the month."""
    if isinstance(span, Mapping):
        if "months" in span:
            return add_months(anchor, span["months"])
        return anchor + timedelta(days=span["days"])
    return anchor + timedelta(days=span)
