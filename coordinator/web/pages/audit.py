"""The audit: what is in the journals, whether they are whole, and who looked at whom."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

from coordinator.export.sources import in_words
from coordinator.export.tables import JOURNAL
from coordinator.telling import Told, tell
from coordinator.web.access import May
from coordinator.web.desk import Desk
from coordinator.web.doors import needs
from coordinator.web.files import file_of, table_file
from coordinator.web.journal_export import as_ndjson
from coordinator.web.journal_filters import JournalFilters, journal_filters
from coordinator.web.text import _
from pathway.journal import plain
from persistence.accounts import Accounts
from persistence.audit import Asked, JournalLine, journal_lines, journal_page, sign_in_attempts, viewings
from persistence.changes import Whose, episodes_named
from persistence.journal import step_document
from persistence.verify import Verified, verify_episode
from scheduler.job_runs import latest_runs

router = APIRouter()
SIZE = 50
ALL_PATIENTS = "*"


@dataclass(frozen=True, slots=True)
class Shown:
    """A line of the journal with whose it is and what it says."""

    line: JournalLine
    whose: Whose | None
    told: tuple[Told, ...]


@router.get("/audit")
def journal(desk: Desk = needs(May.AUDIT)) -> Response:
    asked = _filters(desk)
    found = journal_page(desk.store, asked.asked, after=asked.after, size=SIZE)
    checked = latest_runs(desk.store, ("verify", "nightly:verify"), 1)
    after = asked.next(found.after) if found.after else ""
    status = 422 if asked.faults else 200
    return _page(desk, "audit.html", status, asked=asked, rows=_shown(desk, found.lines), after=after, checked=checked)


@router.get("/audit/entry/{episode}/{seq}")
def evidence(episode: str, seq: int, desk: Desk = needs(May.AUDIT)) -> Response:
    return _evidence(desk, episode, seq)


@router.post("/audit/entry/{episode}/{seq}")
def check(episode: str, seq: int, desk: Desk = needs(May.AUDIT)) -> Response:
    """Replay this episode now and say whether it agrees. Nothing is written, so a reload may ask again."""
    return _evidence(desk, episode, seq, verify_episode(desk.store, episode))


def _evidence(desk: Desk, episode: str, seq: int, verified: Verified | None = None) -> Response:
    entries = [line for line in journal_lines(desk.store, Asked(episode=episode)) if abs(line.entry.seq - seq) <= 1]
    line = next((line for line in entries if line.entry.seq == seq), None)
    if line is None:
        raise HTTPException(404, _("There is no such line."))
    _note_view(desk, line.patient, f"/audit/entry/{episode}/{seq}")
    (shown,) = _shown(desk, [line])
    return _page(
        desk,
        "audit_entry.html",
        shown=shown,
        step=_indented(step_document(line.entry.step)),
        effects=[_indented(effect) for effect in line.entry.effects],
        verified=verified,
        before=any(other.entry.seq == seq - 1 for other in entries),
        behind=any(other.entry.seq == seq + 1 for other in entries),
    )


@router.get("/audit/views")
def views(patient: str = "", email: str = "", after: int | None = None, desk: Desk = needs(May.AUDIT)) -> Response:
    email = email.strip().lower()
    found = viewings(
        desk.store, patient=patient.replace(" ", "") or None, email=email or None, after=after, size=SIZE + 1
    )
    more = desk.query(after=found[SIZE - 1].id) if len(found) > SIZE else ""
    return _page(desk, "audit_views.html", rows=found[:SIZE], after=more, patient=patient, email=email)


@router.get("/audit/sign-ins")
def sign_ins(email: str = "", failed: str = "", after: int | None = None, desk: Desk = needs(May.AUDIT)) -> Response:
    email = email.strip().lower()
    found = sign_in_attempts(desk.store, email=email or None, failed=failed == "1", after=after, size=SIZE + 1)
    more = desk.query(after=found[SIZE - 1].id) if len(found) > SIZE else ""
    return _page(desk, "audit_sign_ins.html", rows=found[:SIZE], after=more, email=email, failed=failed == "1")


@router.get("/audit/accounts")
def account_changes(page: int = 1, desk: Desk = needs(May.AUDIT)) -> Response:
    page = max(1, page)
    found = Accounts(desk.store.database).account_changes(limit=SIZE + 1, offset=(page - 1) * SIZE)
    more = desk.query(page=page + 1) if len(found) > SIZE else ""
    return _page(desk, "audit_accounts.html", rows=found[:SIZE], after=more)


@router.get("/audit/export.csv")
def export_csv(desk: Desk = needs(May.AUDIT)) -> Response:
    lines = _exported(desk, "export.csv")
    return table_file(JOURNAL, in_words(lines, desk.store.engine.guideline), "csv", "journal.csv")


@router.get("/audit/export.parquet")
def export_parquet(desk: Desk = needs(May.AUDIT)) -> Response:
    lines = _exported(desk, "export.parquet")
    return table_file(JOURNAL, in_words(lines, desk.store.engine.guideline), "parquet", "journal.parquet")


@router.get("/audit/export.ndjson")
def export_ndjson(desk: Desk = needs(May.AUDIT)) -> Response:
    lines = _exported(desk, "export.ndjson")
    return file_of(as_ndjson(lines, desk.store.engine.guideline), "application/x-ndjson", "journal.ndjson")


def _exported(desk: Desk, what: str) -> Iterable[JournalLine]:
    """Whoever takes the journal away is on record, with what they asked for, before the first line leaves."""
    asked = _filters(desk)
    if asked.faults:
        raise HTTPException(422, " ".join(asked.faults.values()))
    _note_view(desk, asked.asked.patient or ALL_PATIENTS, asked.address(what))
    return journal_lines(desk.store, asked.asked)


def _filters(desk: Desk) -> JournalFilters:
    return journal_filters(desk.request.query_params, desk.today, desk.zone)


def _note_view(desk: Desk, patient: str, page: str) -> None:
    Accounts(desk.store.database).note_view(desk.me.email, desk.me.role.id, patient, page, desk.now)


def _shown(desk: Desk, lines: Iterable[JournalLine]) -> list[Shown]:
    lines = list(lines)
    with desk.store.database.reading() as connection:
        whose = episodes_named(connection, [line.episode for line in lines])
    guideline = desk.store.engine.guideline
    return [Shown(line, whose.get(line.episode), tuple(tell([line.entry], guideline))) for line in lines]


def _indented(value: Any) -> str:
    return json.dumps(plain(value), indent=2, ensure_ascii=False)


def _page(desk: Desk, template: str, status: int = 200, **values: Any) -> Response:
    tabs = [
        ("/audit", _("Journal")),
        ("/audit/views", _("Views of patients")),
        ("/audit/sign-ins", _("Sign-ins")),
        ("/audit/accounts", _("Accounts")),
    ]
    here = desk.request.url.path
    return desk.page(template, status, tabs=[(path, word, None, path == here) for path, word in tabs], **values)
