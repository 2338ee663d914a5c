"""The morning digest of a role: what is red, overdue, due and coming, in one mail a day."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from pathway.calendar import local_date, show_date
from pathway.guideline import Guideline
from pathway.journal import plain
from persistence.store import Store
from persistence.worklist import WorkItem, worklist
from scheduler.channels import Channel, ChannelError, Message
from scheduler.job_runs import keep_report, once_a_day, report_of
from scheduler.letters import CALLS_NOBODY, MARK, reasons
from scheduler.recipients import recipients

ROLES = ("coordinator", "clinician")
SOON = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Digest:
    """Open work of a role at an instant, in the worklist's order. `due` is work whose window is open today."""

    role: str
    day: date
    items: tuple[WorkItem, ...]
    guideline: Guideline = field(repr=False, compare=False)

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
        """The whole mail: counts, the work owed now, and what the cited sources say."""
        owed = [item for item in self.items if item.red_flag or item.when != "upcoming"]
        cites = sorted({cite for item in owed for cite in item.cites})
        paragraphs = [
            f"Work of the role {self.role} on {show_date(self.day)}: {self.line()}.",
            "\n\n".join("\n".join(_lines(item)) for item in owed) or "Nothing is owed today.",
            reasons(cites, self.guideline),
            MARK if any(item.engineering for item in owed) else "",
            CALLS_NOBODY if self.red_flags else "",
            self.guideline.disclaimer,
        ]
        return "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"


def _lines(item: WorkItem) -> Iterator[str]:
    yield f"{'RED FLAG  ' if item.red_flag else ''}{item.name}, {item.patient}"
    yield f"  {item.title}{' [E]' if item.engineering else ''}: {_when(item)}"
    yield f"  Why: {', '.join(item.cites)}"


def _when(item: WorkItem) -> str:
    if not item.days_overdue:
        return f"due {show_date(item.due)}"
    return f"{item.days_overdue} {'day' if item.days_overdue == 1 else 'days'} overdue"


def digest(store: Store, now: datetime, role: str, *, zone: str = "UTC", as_of: datetime | None = None) -> Digest:
    """The open work of a role at `now`, or as it stood at `as_of`."""
    items = tuple(worklist(store, now, as_of=as_of, role=role))
    return Digest(role, local_date(as_of or now, zone), items, store.engine.guideline)


def send_digests(
    store: Store, channels: Sequence[Channel], now: datetime, *, zone: str = "UTC", roles: Sequence[str] = ROLES
) -> dict[str, Digest]:
    """Send each role its digest, once a local day; those sent by this call.

    Raises ChannelError when somebody could not be reached; asking again then tells only those who were not.
    """
    day, sent, troubles = local_date(now, zone), {}, []
    for role in roles:
        try:
            found = _send_once(store, channels, now, role, day, zone)
        except ChannelError as error:
            troubles.append(f"{role}: {error.because}")
        else:
            if found is not None:
                sent[role] = found
    if troubles:
        raise ChannelError("; ".join(troubles))
    return sent


def _send_once(
    store: Store, channels: Sequence[Channel], now: datetime, role: str, day: date, zone: str
) -> Digest | None:
    job = f"digest:{role}"

    def work() -> Digest:
        found = digest(store, now, role, zone=zone)
        message = Message(f"{job}:{day.isoformat()}", f"[pathway] digest: {found.line()}", found.text(), now)
        _tell_all(store, channels, job, day, message)
        return found

    return once_a_day(store, job, day, now, work, lambda found: {"line": found.line()})


def _tell_all(store: Store, channels: Sequence[Channel], job: str, day: date, message: Message) -> None:
    """Tell everybody who has not been told by an attempt that broke off; raises ChannelError for the rest."""
    told = report_of(store, job, day).get("told", {})
    with store.database.reading() as connection:
        people = recipients(connection, job.partition(":")[2])
    troubles = []
    for channel, person in [(channel, person) for channel in channels for person in people]:
        place = f"{channel.name} {person}"
        if place in told:
            continue
        try:
            channel.send(message, person)
            told[place] = "accepted"
        except ChannelError as error:
            if not error.permanent:
                troubles.append(f"{place}: {error.because}")
                continue
            told[place] = error.because
        keep_report(store, job, day, {"told": told})
    if troubles:
        raise ChannelError("; ".join(troubles))
