"""A small ward for these tests: real stores, patients on conservative care, and a real mail server."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

from aiosmtpd.controller import Controller
from sqlalchemy import insert, select, update

from pathway.checking import load_guideline
from pathway.engine import Engine
from pathway.journal import Step
from persistence import models
from persistence.database import Database
from persistence.store import Person, Store, table
from scheduler.channels import ChannelError, Message
from scheduler.salt import salt_of

GUIDELINE = load_guideline()
ZONE = "Europe/London"
REGISTERED = datetime(2026, 1, 5, 9, tzinfo=UTC)
CARE = datetime(2026, 1, 6, 16, tzinfo=UTC)
# Four weeks after the start of care, at the hour at which timers speak.
REASSESS_DUE = datetime(2026, 2, 3, 8, tzinfo=UTC)
# The first morning on which that reassessment is overdue, so that clinicians are reminded of it as well.
LATE = datetime(2026, 2, 18, 8, tzinfo=UTC)

CLEAR = {"motor_deficit": False, "sensory_deficit": False, "bowel_bladder": False, "radicular": False}
STABLE = {
    "modality": "MRI",
    "contrast": False,
    "performed": "2026-01-06",
    "collapse_pct": 8.0,
    "kyphosis": 5.0,
    "scoliosis": 2.0,
    "retropulsion": False,
    "posterior_column": False,
    "alignment_abnormal": False,
    "cord_compression": False,
    "pathologic": "none",
    "fracture_levels": ["L1"],
    "acute_levels": ["L1"],
}
FRACTURE = {
    "birth_date": "1950-06-01",
    "sex": "F",
    "level": "L1",
    "mechanism": "low_energy",
    "fracture_date": "2026-01-02",
}


def days(count: float) -> timedelta:
    return timedelta(days=count)


def open_store(url: str) -> Store:
    """As another process would have it; close its database."""
    return Store(Database(url), Engine(GUIDELINE))


def register(store: Store, patient: str, *, owner: str = "Desk") -> None:
    accepted(store, Person(patient, ZONE), Step("register", data=FRACTURE), REGISTERED)
    named = {"surname": "Secret", "given": f"Name of {patient}"}
    people = table(models.Patient)
    change(store, update(people).where(people.c.id == patient).values(**named))
    if owner:
        accepted(store, patient, Step("admin", "assign", {"owner": owner}), REGISTERED)


def enrol(store: Store, patient: str = "P1", *, owner: str = "Desk") -> str:
    """A patient on conservative care since 6 January 2026 with a stable fracture; the episode's id."""
    register(store, patient, owner=owner)
    neuro = Step("observe", "neuro_exam", {"complete": True, **CLEAR}, actor="clinician")
    accepted(store, patient, neuro, REGISTERED + timedelta(minutes=30))
    accepted(store, patient, Step("observe", "imaging", STABLE), CARE - timedelta(hours=1))
    accepted(store, patient, Step("decide", "start_conservative", actor="clinician"), CARE)
    return f"{patient}-1"


def accepted(store: Store, person: Person | str, step: Step, at: datetime) -> None:
    outcome = store.record(person, step, at)
    assert outcome.refusal is None, outcome.refusal


def red_flag(store: Store, patient: str, at: datetime) -> None:
    deficit = {"complete": True, **CLEAR, "motor_deficit": True}
    accepted(store, patient, Step("observe", "neuro_exam", deficit, actor="clinician"), at)


def die(store: Store, patient: str, at: datetime) -> None:
    accepted(store, patient, Step("admin", "death"), at)


def staff(store: Store) -> None:
    hire(store, "cora@example.org", "coordinator")
    hire(store, "clive@example.org", "clinician")


def hire(store: Store, email: str, role: str, *, active: bool = True) -> None:
    row = {"email": email, "name": email.partition("@")[0], "role": role, "active": active}
    change(store, insert(table(models.User)).values(**row))


def rows(store: Store, model, *conditions) -> list:
    """In the order of their keys: a server gives what was not ordered as it likes."""
    target = table(model)
    with store.database.reading() as connection:
        return list(connection.execute(select(target).where(*conditions).order_by(*target.primary_key.columns)))


def change(store: Store, statement) -> None:
    """What nobody may do: write past the engine."""
    with store.database.writing() as connection:
        connection.execute(statement)


def reference(store: Store, key: str) -> str:
    """What stands for an outbox row on a letter."""
    return Message(key, "", "", LATE, salt=salt_of(store, LATE)).reference


class Pigeon:
    """A channel in memory that can be told to fail, always or for one address."""

    def __init__(self, name: str = "pigeon") -> None:
        self.name = name
        self.reach = "email"
        self.sent: list[tuple[str, str]] = []
        self.letters: list = []
        self.trouble: ChannelError | None = None
        self.bad: dict[str, ChannelError] = {}

    def send(self, message, recipient: str) -> bool:
        if self.trouble is not None:
            raise self.trouble
        if recipient in self.bad:
            raise self.bad[recipient]
        self.sent.append((message.key, recipient))
        self.letters.append(message)
        return False


class Post:
    """What a mail server took in, and what it answers instead, if told so."""

    def __init__(self) -> None:
        self.letters: list = []
        self.answers: dict[str, str] = {}
        self.data_answer = ""

    async def handle_RCPT(self, server, session, envelope, address, options) -> str:
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope) -> str:
        if self.data_answer:
            return self.data_answer
        self.letters.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def ids(self) -> list[str]:
        return [letter["Message-ID"] for letter in self.letters]


@contextmanager
def mail_server() -> Iterator[tuple[Post, int]]:
    post = Post()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(post, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield post, port
    finally:
        controller.stop()
