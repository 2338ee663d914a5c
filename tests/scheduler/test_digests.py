"""The morning digest: what it counts, and that everybody has it once."""

from datetime import UTC, datetime, timedelta

import pytest

from persistence import models
from scheduler.breaker import note_outage
from scheduler.channels import ChannelError
from scheduler.digest import digest
from scheduler.digest_mail import send_digests
from scheduler.job_runs import ABANDONED
from scheduler.jobs import run_digest
from scheduler.settle import settle_all
from scheduler.site import Site
from tests.scheduler.ward import LATE, REASSESS_DUE, ZONE, days, enrol, hire, red_flag, register, rows, staff

CORA, CLIVE = "cora@example.org", "clive@example.org"


@pytest.fixture
def ward(store):
    staff(store)
    enrol(store)
    settle_all(store, LATE)
    return store


SITE, BERLIN = Site(zone=ZONE), Site(zone="Europe/Berlin")


def told(pigeon):
    return [person for _, person in pigeon.sent]


def test_it_counts_red_flags_overdue_due_and_coming_work(ward):
    red_flag(ward, "P1", LATE)
    found = digest(ward, LATE, "clinician", zone=ZONE)
    assert (found.red_flags, found.day.isoformat()) == (1, "2026-02-18")
    work = digest(ward, LATE, "coordinator", zone=ZONE)
    assert (work.red_flags, work.overdue, work.due) == (0, 4, 0)
    assert "0 red flags, 4 overdue, 0 due today" in work.line()


def test_it_counts_what_comes_in_seven_days(store):
    register(store, "P1")
    early = datetime(2026, 1, 5, 10, tzinfo=UTC)
    found = digest(store, early, "coordinator", zone=ZONE)
    due_in_a_week = [item.code for item in found.items if item.due.isoformat() == "2026-01-12"]
    assert found.soon == len(due_in_a_week) > 0


def test_its_text_names_the_patient_the_task_the_delay_and_the_reason(ward):
    text = digest(ward, LATE, "clinician", zone=ZONE).text()
    for said in ("SECRET, Name of P1, P1", "Reassess the patient: 1 day overdue", "Why: S1-22", "S1-22: "):
        assert said in text


def test_it_says_so_when_nothing_is_owed(store):
    found = digest(store, LATE, "clinician", zone=ZONE)
    assert "Nothing is owed today." in found.text()
    assert found.as_json()["items"] == []


def test_everybody_in_the_role_has_it_once_a_day(ward, pigeon):
    assert list(run_digest(ward, [pigeon], LATE, site=SITE)) == [CLIVE, CORA]
    assert run_digest(ward, [pigeon], LATE + timedelta(hours=1), site=SITE) == {}
    assert told(pigeon) == [CLIVE, CORA]
    run_digest(ward, [pigeon], LATE + days(1), site=SITE)
    assert told(pigeon) == [CLIVE, CORA] * 2


def test_the_day_is_the_day_on_the_wall_of_the_site(ward, pigeon):
    late_evening = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
    send_digests(ward, [pigeon], late_evening, site=BERLIN, roles=("clinician",))
    send_digests(ward, [pigeon], late_evening + timedelta(hours=9), site=BERLIN, roles=("clinician",))
    assert [row.slot for row in rows(ward, models.JobRun)] == ["2026-07-02"]
    assert len(pigeon.sent) == 1


def test_a_digest_that_reached_half_of_them_is_tried_again_for_the_other_half(ward, pigeon):
    hire(ward, "carl@example.org", "clinician")
    pigeon.bad[CLIVE] = ChannelError("451 try later")
    with pytest.raises(ChannelError, match="451 try later"):
        send_digests(ward, [pigeon], LATE, site=SITE)
    assert told(pigeon) == ["carl@example.org", CORA]
    pigeon.bad = {}
    assert list(send_digests(ward, [pigeon], LATE, site=SITE)) == [CLIVE]
    assert told(pigeon) == ["carl@example.org", CORA, CLIVE]


def test_an_address_that_refuses_for_good_is_not_asked_again(ward, pigeon):
    pigeon.bad[CLIVE] = ChannelError("550 no such mailbox", permanent=True)
    assert len(send_digests(ward, [pigeon], LATE, site=SITE)) == 2
    (run,) = [row for row in rows(ward, models.JobRun) if row.job == f"digest:{CLIVE}"]
    assert "550 no such mailbox" in run.report
    assert run.finished_at is not None


def test_a_digest_cut_off_by_a_crash_is_taken_up_after_a_while_where_it_stopped(ward, pigeon):
    class Crash(BaseException):
        pass

    hire(ward, "carl@example.org", "clinician")
    pigeon.bad[CLIVE] = Crash()
    with pytest.raises(Crash):
        send_digests(ward, [pigeon], LATE, site=SITE, roles=("clinician",))
    pigeon.bad = {}
    send_digests(ward, [pigeon], LATE + ABANDONED, site=SITE, roles=("clinician",))
    assert told(pigeon) == ["carl@example.org", CLIVE]


def test_the_subject_of_a_digest_names_nobody(ward, pigeon):
    send_digests(ward, [pigeon], LATE, site=SITE)
    assert [letter.subject for letter in pigeon.letters if "Secret" in letter.subject or "P1" in letter.subject] == []


# Whose work is whose


def titles(sent, email):
    return {item.patient for item in sent[email].items}


@pytest.fixture
def desk(store):
    """Two coordinators with a patient each, a third patient of the desk, a clinician and a lead; all is late."""
    for name, role in (("cora", "coordinator"), ("carol", "coordinator"), ("clive", "clinician"), ("lea", "lead")):
        hire(store, f"{name}@example.org", role)
    for patient, owner in (("P1", "cora"), ("P2", "Carol@example.org"), ("P3", "Coordination desk")):
        enrol(store, patient, owner=owner)
    settle_all(store, LATE)
    return store


def away(store, absent, stand_in, first, last):
    row = {"absent": f"{absent}@example.org", "stand_in": f"{stand_in}@example.org"}
    store.keep_cover(row | {"first_day": first, "last_day": last, "noted_at": LATE - days(30), "noted_by": "Lea"})


def test_a_digest_holds_what_is_theirs_and_what_nobody_in_particular_has(desk, pigeon):
    sent = send_digests(desk, [pigeon], LATE, site=SITE)
    assert titles(sent, CORA) == {"P1", "P3"}
    assert titles(sent, "carol@example.org") == {"P2", "P3"}
    assert titles(sent, CLIVE) == {"P1", "P2", "P3"}
    assert {item.role for item in sent[CLIVE].items} == {"clinician"}


def test_a_lead_sees_what_is_overdue_in_every_role_and_nothing_else(desk, pigeon):
    lead = send_digests(desk, [pigeon], LATE, site=SITE)["lea@example.org"]
    assert {item.role for item in lead.items} == {"coordinator", "clinician"}
    assert {item.when for item in lead.items} == {"overdue"}


def test_who_stands_in_has_the_work_of_who_is_away_from_the_first_day_to_the_last(desk, pigeon):
    day = LATE.date()
    away(desk, "cora", "carol", day, day)
    sent = send_digests(desk, [pigeon], LATE, site=SITE)
    assert CORA not in sent
    assert titles(sent, "carol@example.org") == {"P1", "P2", "P3"}
    sent = send_digests(desk, [pigeon], LATE + days(1), site=SITE)
    assert titles(sent, CORA) == {"P1", "P3"}
    assert titles(sent, "carol@example.org") == {"P2", "P3"}


def test_when_nobody_holds_a_role_the_lead_has_its_work(desk, pigeon):
    desk.keep_user(CLIVE, "clive", "clinician", active=False)
    lead = send_digests(desk, [pigeon], LATE, site=SITE)["lea@example.org"]
    assert {item.patient for item in lead.items if item.role == "clinician"} == {"P1", "P2", "P3"}


def test_on_a_day_off_there_is_no_digest(desk, pigeon):
    site = Site(zone=ZONE, workdays=frozenset({0, 1, 3, 4}))
    assert LATE.weekday() == 2
    assert send_digests(desk, [pigeon], LATE, site=site) == {}
    assert pigeon.sent == []


def test_after_an_outage_it_says_what_became_of_what_fell_due(desk, pigeon):
    with desk.database.writing() as connection:
        note_outage(connection, "engine", REASSESS_DUE - days(1), LATE - timedelta(hours=2), "nothing was settled")
    mine = send_digests(desk, [pigeon], LATE, site=SITE)[CORA]
    due = [row for row in rows(desk, models.Reminder) if row.due_at <= LATE - timedelta(hours=2)]
    assert f"After an outage (engine): {len(due)} due while down: 0 sent" in mine.text()
