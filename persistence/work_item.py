"""One open task of one patient, as every list shows it.

One definition of overdue for screens, digests and counts: the window is over when the local day is after
`overdue_after`.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pathway.guideline import Guideline
from persistence.names import name_key


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One open task of one patient. Dates are local to the site; `today` is the day it was looked at."""

    patient: str
    name: str
    birth_date: date | None
    episode: str
    n: int
    state: str
    sub: str | None
    level: str | None
    code: str
    title: str
    role: str
    due: date
    overdue_after: date
    opened_at: datetime
    owner: str | None
    red_flag: bool
    engineering: bool
    cites: tuple[str, ...]
    zone: str
    today: date

    @property
    def days_overdue(self) -> int:
        """Days since the window closed; 0 while it is open."""
        return max(0, (self.today - self.overdue_after).days)

    @property
    def when(self) -> str:
        if self.days_overdue:
            return "overdue"
        return "due" if self.due <= self.today else "upcoming"

    @property
    def urgency(self) -> tuple[Any, ...]:
        return (not self.red_flag, -self.days_overdue, self.due, name_key(self.name), self.episode, self.code)


def work_item(guideline: Guideline, found: dict[str, Any], today: date) -> WorkItem:
    """What is known of a task, with the words of its rule."""
    rule = guideline.tasks[found["code"]]
    return WorkItem(
        **found,
        title=rule.title,
        role=rule.role,
        red_flag=rule.red_flag,
        engineering=rule.engineering,
        cites=rule.cites,
        today=today,
    )
