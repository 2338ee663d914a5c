"""The way of a message: stored in a committed transaction, then taken in, then answered. In this order, always."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from coordinator.fhir.findings import printable
from coordinator.fhir.people import Numbering
from coordinator.fhir.records import Intake
from coordinator.hl7.answering import ACCEPTED, ERROR, REJECTED, answer
from coordinator.hl7.message import Header, Message, digest_of, header_of, read
from coordinator.hl7.taking import Done, take
from pathway.errors import PathwayError
from persistence.hl7_messages import REFUSED, UNREADABLE, Kept, keep_message, only_stored, set_outcome
from persistence.hl7_messages import message as stored_message
from persistence.store import Store

log = logging.getLogger(__name__)

KINDS = ("ADT", "ORU")
LONGEST_SAID = 2_000


@dataclass(frozen=True, slots=True)
class Site:
    """Where messages come in: the store, the site's defaults, and whose numbers are this service's own."""

    store: Store
    zone: str
    profile: str
    owner: str
    system: str = ""

    def intake(self, sender: str, now: datetime, *, dry_run: bool = False) -> Intake:
        source = f"hl7|{sender}"
        return Intake(self.store, now, self.zone, self.profile, self.owner, source, dry_run)


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a message. `code`: AA, AE or AR; `repeated`: it was done when it came before."""

    header: Header
    code: str
    outcome: str
    because: str
    id: int | None = None
    repeated: bool = False
    done: Done | None = None

    def ack(self, at: datetime) -> bytes:
        name = f"{self.header.control_id}A"[-20:]
        return answer(self.header, self.code, "" if self.code == ACCEPTED else self.because, at, name)


def receive(site: Site, data: bytes, place: str, now: datetime) -> Received:
    """Store a message, do what it asks for, and say what to answer. Raises StoreError where it could not be stored.

    Sent twice it is done once, and answered as before; one that was refused is tried again.
    """
    header = header_of(data)
    kept = keep_message(site.store.database, _row(header, data, place, now))
    if kept.done:
        return Received(header, _code(kept.outcome, header), kept.outcome, kept.because, kept.id, repeated=True)
    return _take_stored(site, kept, data, now)


def _row(header: Header, data: bytes, place: str, now: datetime) -> dict[str, Any]:
    return {
        "sender": header.sender,
        "control_id": header.control_id,
        "digest": digest_of(data),
        "kind": header.kind,
        "place": place,
        "received_at": now,
        "raw": data,
    }


def again(site: Site, number: int, now: datetime) -> Received | None:
    """Take in a message that was stored before; None where there is none of that number."""
    found = stored_message(site.store.database, number)
    if found is None:
        return None
    return _take_stored(site, Kept(found.id, found.outcome, found.because, done=False), found.raw, now)


def finish_interrupted(site: Site, now: datetime) -> int:
    """Take in what was stored when the machine died, before anything new; how many that were."""
    found = only_stored(site.store.database)
    for number in found:
        again(site, number, now)
    return len(found)


def _take_stored(site: Site, kept: Kept, data: bytes, now: datetime) -> Received:
    header, done = rehearse(site, data, now, dry_run=False)
    because = printable(done.because)[:LONGEST_SAID]
    set_outcome(site.store.database, kept.id, done.outcome, because, now, printable(done.patient))
    return Received(header, _code(done.outcome, header), done.outcome, because, kept.id, done=done)


def rehearse(site: Site, data: bytes, now: datetime, *, dry_run: bool = True) -> tuple[Header, Done]:
    """What a message does, or, in a dry run, would do."""
    found, header = read(data), header_of(data)
    if isinstance(found, str):
        return header, Done(UNREADABLE, [found])
    refused = _not_ours(found.header)
    if refused:
        return header, Done(REFUSED, [refused])
    return header, _guarded(site, found, now, dry_run=dry_run)


def _not_ours(header: Header) -> str:
    if header.version and not header.version.startswith("2"):
        return f"it is HL7 version {header.version}, expected 2.x"
    if header.processing in ("T", "D"):
        return f"it is marked as a test (processing id {header.processing}), and tests are not taken in"
    if not header.control_id:
        return "it has no control id (MSH-10), so nobody could tell it from another"
    return ""


def _guarded(site: Site, message: Message, now: datetime, *, dry_run: bool) -> Done:
    """One bad message never stops the others: it is refused with its error, and kept."""
    intake = site.intake(message.header.sender, now, dry_run=dry_run)
    numbering = Numbering(_Known(site.store), site.system)
    try:
        return take(intake, message, numbering)
    except PathwayError as error:
        return Done(REFUSED, [f"it could not be taken in, and is kept to be tried again: {error}"])
    except Exception as error:
        log.warning("message %s could not be taken in: %s", message.header.control_id, type(error).__name__)
        return Done(REFUSED, [f"it could not be taken in, and is kept to be tried again: {type(error).__name__}"])


class _Known:
    """The numbers that are known here, each looked up when it is asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __contains__(self, number: object) -> bool:
        return isinstance(number, str) and self._store.person(number) is not None


def _code(outcome: str, header: Header) -> str:
    """AR: this is not for us, do not send it again. AE: it is stored, and part of it needs somebody. AA: done."""
    kind = header.kind.partition("^")[0]
    if outcome == UNREADABLE or kind not in KINDS or _not_ours(header):
        return REJECTED
    return ERROR if outcome == REFUSED else ACCEPTED
