"""The audit on a screen: what is in the journals, that they are whole, and who looked at whom."""

import csv
import io
import json
import re
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import select, text

from coordinator.web.journal_export import as_csv
from pathway.journal import Step
from persistence import models
from persistence.accounts import Accounts
from persistence.audit import Asked, journal_lines
from persistence.store import table
from scheduler.jobs import run_verify
from tests.journeys.people import GUIDELINE
from tests.web.conftest import NOW, address


@pytest.fixture
def auditor(signed_in):
    return signed_in("auditor")


def entries(store, *conditions):
    lines = table(models.Entry)
    order = (lines.c.recorded_at.desc(), lines.c.episode_id.desc(), lines.c.seq.desc())
    with store.database.reading() as connection:
        return connection.execute(select(lines).where(*conditions).order_by(*order)).all()


def places(page) -> list[tuple[str, int]]:
    found = re.findall(r'href="/audit/entry/([^/"]+)/(\d+)"', page.text)
    return [(episode, int(seq)) for episode, seq in found]


def all_places(browser, address_: str) -> list[tuple[str, int]]:
    found = []
    while address_:
        page = browser.get(address_)
        found += places(page)
        older = re.search(r'href="([^"]+)" rel="next"', page.text)
        address_ = unescape(older[1]) if older else ""
    return found


def test_the_journal_is_shown_newest_first_and_page_after_page(auditor, store):
    expected = [(row.episode_id, row.seq) for row in entries(store)][:120]
    assert all_places(auditor, "/audit")[:120] == expected


def test_filters_in_the_address_show_exactly_the_lines_that_fit(auditor, store):
    lines = table(models.Entry)
    some, since = entries(store)[0], NOW - timedelta(days=2)
    patient, kind, actor = some.patient_id, some.kind, some.actor
    expected = {
        f"patient={patient}": entries(store, lines.c.patient_id == patient),
        "refused=1": entries(store, lines.c.refusal.is_not(None)),
        f"kind={kind}&actor={actor}": entries(store, lines.c.kind == kind, lines.c.actor == actor)[:300],
        "first=14-Mar-2026": entries(store, lines.c.recorded_at >= since.replace(hour=0, minute=0)),
    }
    for query, rows in expected.items():
        assert rows or query == "refused=1"
        assert all_places(auditor, f"/audit?{query}")[:300] == [(row.episode_id, row.seq) for row in rows], query


def test_a_person_is_found_by_name(auditor, store):
    name = json.loads(next(row for row in entries(store) if '"by":' in row.step).step)["by"]
    found = all_places(auditor, f"/audit?by={name}")
    assert found == [(r.episode_id, r.seq) for r in entries(store) if json.loads(r.step).get("by") == name]


def test_a_day_that_is_not_understood_is_said_and_the_text_stays(auditor):
    page = auditor.get("/audit?first=31-Feb-2026")
    assert page.status_code == 422
    assert 'value="31-Feb-2026"' in page.text
    assert "is not a day" in page.text


def test_a_line_opens_its_full_evidence_and_that_is_on_record(auditor, store):
    row = next(r for r in entries(store) if r.seq > 1)
    page = unescape(auditor.get(f"/audit/entry/{row.episode_id}/{row.seq}").text)
    assert row.hash in page
    assert row.previous_hash in page
    for effect in json.loads(row.effects)["effects"]:
        assert json.dumps(effect, indent=2, ensure_ascii=False) in page
    assert f'/audit/entry/{row.episode_id}/{row.seq - 1}"' in page
    looked = table(models.Viewing)
    with store.database.reading() as connection:
        found = connection.execute(select(looked)).all()
    assert [(f.email, f.patient_id) for f in found] == [(address("auditor"), row.patient_id)]
    assert auditor.get("/audit/entry/nobody/1").status_code == 404


def test_an_episode_is_verified_at_a_button_and_the_first_difference_named(auditor, store):
    row = entries(store)[0]
    path = f"/audit/entry/{row.episode_id}/{row.seq}"
    assert "It agrees" in auditor.post(path).text
    with store.database.writing() as connection:
        connection.execute(
            text("UPDATE entry SET actor = 'system' WHERE episode_id = :e AND seq = 1"), {"e": row.episode_id}
        )
    page = auditor.post(path).text
    assert "It differs." in page
    assert f"{row.episode_id} line 1" in page
    assert "the line was changed after it was written" in page


def test_the_state_of_the_chain_is_that_of_the_last_verification(auditor, store):
    assert "The journals have not been verified yet." in auditor.get("/audit").text
    run_verify(store, NOW)
    assert "The journals are whole" in auditor.get("/audit").text
    with store.database.writing() as connection:
        connection.execute(text("UPDATE entry SET hash = 'x' WHERE seq = 1 AND kind = 'register'"))
    run_verify(store, NOW + timedelta(hours=1))
    assert "The journals differ from what was made of them" in auditor.get("/audit").text


def test_the_exports_hold_the_lines_of_the_filters_and_are_on_record(auditor, store):
    patient = entries(store)[0].patient_id
    mine = entries(store, table(models.Entry).c.patient_id == patient)
    answer = auditor.get(f"/audit/export.csv?patient={patient}")
    assert answer.headers["content-disposition"] == 'attachment; filename="journal.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(r["episode"], int(r["seq"]), r["hash"]) for r in rows] == [(r.episode_id, r.seq, r.hash) for r in mine]
    objects = [json.loads(line) for line in auditor.get(f"/audit/export.ndjson?patient={patient}").text.splitlines()]
    assert [o["step"] for o in objects] == [json.loads(r.step) for r in mine]
    assert [o["effects"] for o in objects] == [json.loads(r.effects)["effects"] for r in mine]
    page = auditor.get(f"/audit/views?patient={patient}").text
    assert f"export.csv?patient={patient}" in page
    assert f"export.ndjson?patient={patient}" in page


def test_an_export_of_everything_is_on_record_as_that(auditor, store):
    rows = list(csv.reader(io.StringIO(auditor.get("/audit/export.csv").text)))
    assert len(rows) == len(entries(store)) + 1
    assert "all patients" in auditor.get("/audit/views").text


def test_an_export_whose_filter_is_not_understood_gives_nothing(auditor):
    assert auditor.get("/audit/export.csv?first=tomorrowish").status_code == 422


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_the_file_is_a_formula(store, start):
    line = next(iter(journal_lines(store, Asked())))
    object.__setattr__(line.entry.step, "by", f"{start}HYPERLINK(1)")
    written = "".join(as_csv([line], GUIDELINE))
    (row,) = csv.DictReader(io.StringIO(written, newline=""))
    assert row["by"] == f"'{start}HYPERLINK(1)"
    for cell in row.values():
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_a_file_is_written_as_it_is_read(store):
    """Not after all lines were read: the first rows are there while the rest still lies in the database."""
    read = 0

    def lines():
        nonlocal read
        for line in journal_lines(store, Asked()):
            read += 1
            yield line

    rows = as_csv(lines(), GUIDELINE)
    next(rows)
    next(rows)
    assert read == 1
    rows.close()


def test_views_say_who_looked_at_whom_and_can_be_filtered(auditor, store):
    accounts = Accounts(store.database)
    accounts.note_view("a@example.org", "clinician", "P1", "/patient/P1", NOW)
    accounts.note_view("b@example.org", "coordinator", "P2", "/patient/P2", NOW + timedelta(minutes=1))
    page = auditor.get("/audit/views").text
    assert page.index("b@example.org (coordinator)") < page.index("a@example.org (clinician)")
    assert "b@example.org (" not in auditor.get("/audit/views?email=A@example.org").text
    assert "b@example.org (" not in auditor.get("/audit/views?patient=P1").text
    assert "No view is on record" in auditor.get("/audit/views?patient=P3").text


def test_sign_ins_are_listed_and_those_that_failed_alone(auditor, store):
    Accounts(store.database).note_attempt("stranger@example.org", "192.0.2.7", NOW, ok=False)
    page = auditor.get("/audit/sign-ins").text
    assert address("auditor") in page
    assert "did not fit" in page
    failed = auditor.get("/audit/sign-ins?failed=1").text
    assert "192.0.2.7" in failed
    assert "signed in</td>" not in failed


def test_changes_of_accounts_are_listed(auditor, store):
    Accounts(store.database).set_role(address("coordinator"), "lead", at=NOW, by="the boss")
    page = auditor.get("/audit/accounts").text
    assert "the boss" in page
    assert "coordinator → lead" in page


def test_many_pages_of_views_are_walked_to_the_end(auditor, store):
    accounts = Accounts(store.database)
    for n in range(120):
        accounts.note_view("a@example.org", "clinician", f"P{n}", "/patient", NOW)
    found, path = [], "/audit/views"
    while path:
        page = auditor.get(path).text
        found += re.findall(r'href="/patient/(P\d+)"', page)
        older = re.search(r'href="([^"]+)" rel="next"', page)
        path = unescape(older[1]) if older else ""
    assert found == [f"P{n}" for n in reversed(range(120))]


def test_a_refused_step_says_why_in_the_journal(auditor, store):
    patient = next(e.patient for e in store.episodes() if e.state == "ACUTE_ASSESSMENT")
    outcome = store.record(patient, Step("decide", "withdraw", {}, actor="coordinator", by="A. Hasty"), NOW)
    assert outcome.refusal is not None
    page = unescape(auditor.get(f"/audit?patient={patient}&refused=1").text)
    assert outcome.refusal.because in page
    assert "A. Hasty" in page


@pytest.mark.parametrize("role", ["coordinator", "clinician", "administrator"])
def test_only_those_who_audit_read_the_journals(signed_in, role):
    browser = signed_in(role)
    for path in ("/audit", "/audit/views", "/audit/sign-ins", "/audit/accounts", "/audit/export.csv"):
        assert browser.get(path).status_code == 403
