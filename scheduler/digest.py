"""The morning digest of a role: what is red, overdue, due and coming, in one mail a day."""

from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from pathway.calendar import local_date, show_date
from pathway.guideline import Guideline
from pathway.journal import plain
from persistence.store import Store
from persistence.worklist import WorkItem, worklist
from scheduler.channels import Message
from scheduler.letters import reasons
from scheduler.placeholders import CALLS_NOBODY, MARK, MOST_ITEMS, Owed
from scheduler.words import Words, built_in

SOON = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Digest:
    """Open work of a role at an instant, in the worklist's order. `due` is work whose window is open today;
    `news` is what happened since yesterday that all should know, such as an outage."""

    role: str
    day: date
    items: tuple[WorkItem, ...]
    guideline: Guideline = field(repr=False, compare=False)
    news: str = ""

    @property
    def red_flags(self) -> int:
        return sum(item.red_flag for item in self.items)

    @property
    def overdue(self) -> int:
        return sum(item.when == "overdue" for item in self.items)

    @property
    def due(self) -> int:
        return sum(item.when == "due" for item in self.items)

    @property
    def soon(self) -> int:
        """Due within the next seven days, today not counted."""
        return sum(item.today < item.due <= item.today + SOON for item in self.items)

    def line(self) -> str:
        return f"{self.red_flags} red flags, {self.overdue} overdue, {self.due} due today, {self.soon} due in 7 days"

    def as_json(self) -> dict[str, Any]:
        """Counts and items as JSON can hold them."""
        counts = {"red_flags": self.red_flags, "overdue": self.overdue, "due": self.due, "soon": self.soon}
        items = [plain({**asdict(item), "days_overdue": item.days_overdue}) for item in self.items]
        return {"role": self.role, "day": self.day.isoformat(), **counts, "items": items}

    def text(self) -> str:
        """The whole mail in plain text, in the words built in: counts, the work owed now, what the sources say."""
        return built_in().said("digest", self.facts())["text"]

    def message(self, key: str, now: datetime, words: Words | None = None) -> Message:
        """The mail in the site's words, or in those built in."""
        return (words or built_in()).message("digest", self.facts(), key, now)

    def facts(self) -> dict[str, Any]:
        """What a template of digests may say: each placeholder of placeholders.DIGEST."""
        owed = [item for item in self.items if item.red_flag or item.when != "upcoming"]
        cites = sorted({cite for item in owed for cite in item.cites})
        return {
            "role": self.role,
            "day": show_date(self.day),
            "line": self.line(),
            "news": self.news,
            "red_flags": self.red_flags,
            "overdue": self.overdue,
            "due": self.due,
            "soon": self.soon,
            "items": tuple(_owed(item) for item in owed[:MOST_ITEMS]),
            "more": len(owed[MOST_ITEMS:]),
            "reasons": reasons(cites, self.guideline),
            "engineering_mark": MARK if any(item.engineering for item in owed) else "",
            "calls_nobody": CALLS_NOBODY if self.red_flags else "",
            "disclaimer": self.guideline.disclaimer,
        }


def _owed(item: WorkItem) -> Owed:
    title = f"{item.title} [E]" if item.engineering else item.title
    return Owed(item.name, item.patient, title, _when(item), ", ".join(item.cites), item.red_flag)


def _when(item: WorkItem) -> str:
    if not item.days_overdue:
        return f"due {show_date(item.due)}"
    return f"{item.days_overdue} {'day' if item.days_overdue == 1 else 'days'} overdue"


def digest(store: Store, now: datetime, role: str, *, zone: str = "UTC", as_of: datetime | None = None) -> Digest:
    """The open work of a role at `now`, or as it stood at `as_of`."""
    items = tuple(worklist(store, now, as_of=as_of, role=role))
    return Digest(role, local_date(as_of or now, zone), items, store.engine.guideline)
