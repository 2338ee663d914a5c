"""The morning digest: what it counts, and that everybody has it once."""

from datetime import UTC, datetime, timedelta

import pytest

from persistence import models
from scheduler.channels import ChannelError
from scheduler.digest import digest, send_digests
from scheduler.job_runs import ABANDONED
from scheduler.jobs import run_digest
from scheduler.settle import settle_all
from tests.scheduler.ward import LATE, ZONE, days, enrol, hire, red_flag, register, rows, staff

CORA, CLIVE = "cora@example.org", "clive@example.org"


@pytest.fixture
def ward(store):
    staff(store)
    enrol(store)
    settle_all(store, LATE)
    return store


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
    assert list(run_digest(ward, [pigeon], LATE, zone=ZONE)) == ["coordinator", "clinician"]
    assert run_digest(ward, [pigeon], LATE + timedelta(hours=1), zone=ZONE) == {}
    assert told(pigeon) == [CORA, CLIVE]
    run_digest(ward, [pigeon], LATE + days(1), zone=ZONE)
    assert told(pigeon) == [CORA, CLIVE] * 2


def test_the_day_is_the_day_on_the_wall_of_the_site(ward, pigeon):
    late_evening = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
    send_digests(ward, [pigeon], late_evening, zone="Europe/Berlin", roles=("clinician",))
    send_digests(ward, [pigeon], late_evening + timedelta(hours=9), zone="Europe/Berlin", roles=("clinician",))
    assert [row.slot for row in rows(ward, models.JobRun)] == ["2026-07-02"]
    assert len(pigeon.sent) == 1


def test_a_digest_that_reached_half_of_them_is_tried_again_for_the_other_half(ward, pigeon):
    hire(ward, "carl@example.org", "clinician")
    pigeon.bad[CLIVE] = ChannelError("451 try later")
    with pytest.raises(ChannelError, match="451 try later"):
        send_digests(ward, [pigeon], LATE, zone=ZONE)
    assert told(pigeon) == [CORA, "carl@example.org"]
    pigeon.bad = {}
    assert list(send_digests(ward, [pigeon], LATE, zone=ZONE)) == ["clinician"]
    assert told(pigeon) == [CORA, "carl@example.org", CLIVE]


def test_an_address_that_refuses_for_good_is_not_asked_again(ward, pigeon):
    pigeon.bad[CLIVE] = ChannelError("550 no such mailbox", permanent=True)
    assert len(send_digests(ward, [pigeon], LATE, zone=ZONE)) == 2
    (run,) = [row for row in rows(ward, models.JobRun) if row.job == "digest:clinician"]
    assert "550 no such mailbox" in run.report
    assert run.finished_at is not None


def test_a_digest_cut_off_by_a_crash_is_taken_up_after_a_while_where_it_stopped(ward, pigeon):
    class Crash(BaseException):
        pass

    hire(ward, "carl@example.org", "clinician")
    pigeon.bad[CLIVE] = Crash()
    with pytest.raises(Crash):
        send_digests(ward, [pigeon], LATE, zone=ZONE, roles=("clinician",))
    pigeon.bad = {}
    send_digests(ward, [pigeon], LATE + ABANDONED, zone=ZONE, roles=("clinician",))
    assert told(pigeon) == ["carl@example.org", CLIVE]


def test_the_subject_of_a_digest_names_nobody(ward, pigeon):
    send_digests(ward, [pigeon], LATE, zone=ZONE)
    assert [letter.subject for letter in pigeon.letters if "Secret" in letter.subject or "P1" in letter.subject] == []
