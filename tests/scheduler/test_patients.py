"""Messages to patients: not one unless the site, the patient, a clinician and the calendar all allow it."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import delete, insert, update

from pathway.journal import Step
from persistence import models
from persistence.store import Store, table
from persistence.verify import verify
from scheduler.channels import ChannelDown, ChannelError
from scheduler.outbox import deliver
from scheduler.patients import plan_messages
from scheduler.settle import settle_all
from scheduler.site import Site
from scheduler.wording import FOLDER
from scheduler.words import approve, built_in, load_words
from tests.scheduler.ward import LATE, REASSESS_DUE, Pigeon, accepted, change, days, die, enrol, rows, staff

OUTBOX, ATTEMPTS = table(models.Reminder), table(models.Delivery)
HOUR = timedelta(hours=1)
PHONE, DESK = "+441632960001", "01632 960 100"
SITE = Site("Europe/London", patient_messages=True, service_phone=DESK)
# One minute after the milestone, at which all is told.
NOW = REASSESS_DUE + timedelta(minutes=1)


class Sms(Pigeon):
    def __init__(self, name="sms"):
        super().__init__(name)
        self.reach = "phone"


@pytest.fixture
def sms():
    return Sms()


def agree(store, patient="P1", channel="sms", address=PHONE, *, noted=datetime(2026, 1, 6, 9, tzinfo=UTC)):
    row = {"patient_id": patient, "channel": channel, "address": address, "given_on": date(2026, 1, 5)}
    store.keep_consent({**row, "source": "form of 5 January", "noted_at": noted, "noted_by": "test"})


def approved(store, *names):
    for name in names or ("patient-review", "patient-missed"):
        approve(store, built_in(), name, "Dr C. Sample", datetime(2026, 1, 2, tzinfo=UTC))


@pytest.fixture
def ready(store):
    """P1's milestone has come, and nothing stands against telling P1 of it."""
    staff(store)
    enrol(store)
    agree(store)
    approved(store)
    settle_all(store, REASSESS_DUE)
    return store


def to_patients(store, *conditions):
    return rows(store, models.Reminder, OUTBOX.c.role == "patient", *conditions)


def one(store):
    (row,) = to_patients(store)
    return row


def run(store, channels, now=NOW, site=SITE, words=None):
    return deliver(store, channels, now, limit=500, site=site, words=words)


# ---------------------------------------------------------------- all is well


def test_with_everything_in_place_the_patient_is_told_once_and_only_as_agreed(ready, sms, pigeon):
    for minutes in (0, 5, 60):
        run(ready, [pigeon, sms], NOW + timedelta(minutes=minutes))
    row = one(ready)
    assert (row.outcome, row.kind, row.code, row.channel) == ("sent", "patient", "patient-review", "sms")
    assert [recipient for _, recipient in sms.sent] == [PHONE]
    assert PHONE not in {recipient for _, recipient in pigeon.sent}
    # Staff are told of the same milestone, as if there were no patient messages.
    (milestone,) = rows(ready, models.Reminder, OUTBOX.c.kind == "milestone")
    assert (milestone.outcome, row.due_at) == ("sent", milestone.due_at)
    assert verify(ready).problems == []


def test_no_message_says_who_it_is_for_or_what_it_is_about(ready, sms):
    run(ready, [sms])
    (letter,) = sms.letters
    said = "\n".join((letter.subject, letter.brief, letter.body, letter.html)).lower()
    assert said.count(DESK) >= 3
    known = ("p1", "secret", "name of", "fracture", "vertebra", "spine", "l1", "osteopor", "reassess", "bone", "[e]")
    assert [word for word in known if word in said] == []
    assert "P1" not in letter.reference


def test_overdue_work_is_told_only_where_the_patient_must_come(ready, sms):
    """Overdue on the eighteenth: the reassessment, for which P1 must come; the bone work is for staff alone."""
    run(ready, [sms])
    settle_all(ready, LATE)
    run(ready, [sms], LATE)
    overdue = rows(ready, models.Reminder, OUTBOX.c.kind == "overdue", OUTBOX.c.outcome != "patient")
    assert {row.code for row in overdue} > {"K-REASSESS"}
    found = {row.code: row for row in to_patients(ready)}
    assert set(found) == {"patient-review", "patient-missed"}
    assert "K-REASSESS" in found["patient-missed"].key
    assert [letter.subject for letter in sms.letters] == ["A message from your care team"] * 2


def test_each_channel_that_the_patient_agreed_to_is_used_once(ready, sms):
    other = Sms("mail")
    other.reach = "email"
    agree(ready, channel="mail", address="ann@example.org")
    run(ready, [sms, other])
    assert Counter(row.channel for row in to_patients(ready)) == {"sms": 1, "mail": 1}
    to_ann = [recipient for key, recipient in other.sent if ":patient:" in key]
    assert ([recipient for _, recipient in sms.sent], to_ann) == ([PHONE], ["ann@example.org"])


def test_a_newer_address_counts(ready, sms):
    agree(ready, address="+441632960999", noted=datetime(2026, 1, 20, tzinfo=UTC))
    run(ready, [sms])
    assert [recipient for _, recipient in sms.sent] == ["+441632960999"]
    assert len(to_patients(ready)) == 1


def test_a_number_that_is_refused_for_good_becomes_work_for_staff_and_no_news_of_the_house(ready, sms):
    sms.bad[PHONE] = ChannelError("no such number", permanent=True)
    run(ready, [sms])
    assert one(ready).outcome == "failed"
    tasks = table(models.Task)
    assert [task.status for task in rows(ready, models.Task, tasks.c.code == "K-REACH")] == ["open"]
    assert rows(ready, models.Reminder, OUTBOX.c.code == "ADDRESS_REFUSED") == []


# ---------------------------------------------------------------- what stands against it

NEXT_WEEK = NOW + days(1)


def off(store: Store, at: datetime) -> Site:
    return replace(SITE, patient_messages=False)


def no_phone(store: Store, at: datetime) -> Site:
    return replace(SITE, service_phone="")


def dead(store: Store, at: datetime) -> None:
    die(store, "P1", at)


def gone(store: Store, at: datetime) -> None:
    accepted(store, "P1", Step("admin", "withdraw", {"reason": "own wish"}), at)


def ended(store: Store, at: datetime) -> None:
    assert store.withdraw_consent("P1", "sms", at.date(), "by telephone") == 1


def ended_for_all(store: Store, at: datetime) -> None:
    assert store.withdraw_consent("P1", None, at.date(), "by letter") == 1


def not_approved(store: Store, at: datetime) -> None:
    change(store, delete(table(models.Approval)).where(table(models.Approval).c.template == "patient-review"))


def talked(outcome: str):
    def log(store: Store, at: datetime) -> None:
        accepted(store, "P1", Step("admin", "contact", {"outcome": outcome}), at)

    return log


def reassessed(store: Store, at: datetime) -> None:
    symptoms = {"nrs": 5, "trend": "unchanged", "changed": False, "resolved": False}
    accepted(store, "P1", Step("observe", "symptoms", symptoms), at)
    accepted(store, "P1", Step("decide", "complete_reassessment", {"outcome": "continue"}, actor="clinician"), at)


def enough(store: Store, at: datetime) -> Site:
    for number in range(2):
        told_before(store, f"other-{number}", at - days(number))
    return SITE


OBJECTIONS = [
    (off, "messages to patients are switched off"),
    (no_phone, "messages to patients are switched off"),
    (dead, "the patient has died"),
    (gone, "the episode is closed: Withdrawn"),
    (ended, "the patient has not agreed to sms, or not any more"),
    (ended_for_all, "the patient has not agreed to sms, or not any more"),
    (not_approved, "no clinician has approved the wording of patient-review, version 1"),
    (talked("reached"), "staff spoke to the patient on 03-Feb-2026"),
    (talked("left_message"), "staff spoke to the patient on 03-Feb-2026"),
    (talked("declined"), "staff spoke to the patient on 03-Feb-2026"),
    (reassessed, "the milestone is satisfied: reassessment completed"),
    (enough, "the patient has had 2 messages in seven days, and no more than 2 are sent"),
]


def told_before(store, key, at, *, outcome="sent", ok=True, answer="accepted", patient="P1"):
    row = {
        **{"key": key, "kind": "patient", "code": "patient-missed", "role": "patient", "detail": "{}", "attempts": 1},
        **{"due_at": at, "fired_at": at, "try_at": at, "outcome": outcome, "because": "", "channel": "mail"},
        **{"patient_id": patient, "episode_id": f"{patient}-1", "settled_at": at},
    }
    attempt = {"reminder_key": key, "channel": "mail", "recipient": "x", "attempted_at": at}
    change(store, insert(OUTBOX).values(**row))
    change(store, insert(ATTEMPTS).values(**attempt, ok=ok, answer=answer, message_id=key))


@pytest.mark.parametrize(("happen", "because"), OBJECTIONS, ids=[because for _, because in OBJECTIONS])
def test_what_comes_between_planning_and_sending_silences_and_is_named(ready, sms, happen, because):
    """The message is in the outbox; then something happens; one look later nothing is sent."""
    assert plan_messages(ready, NOW, SITE) == 1
    site = happen(ready, NOW + HOUR) or SITE
    run(ready, [sms], NOW + 2 * HOUR, site)
    (row,) = to_patients(ready, OUTBOX.c.code == "patient-review")
    assert (row.outcome, row.because) == ("suppressed", because)
    assert sms.sent == []
    run(ready, [sms], NOW + days(1), SITE)
    assert sms.sent == [], "it does not come back"


@pytest.mark.parametrize("outcome", ["no_answer", "wrong_number"])
def test_a_call_that_reached_nobody_does_not_silence(ready, sms, outcome):
    talked(outcome)(ready, NOW + HOUR)
    run(ready, [sms], NOW + 2 * HOUR)
    assert one(ready).outcome == "sent"


def test_nothing_waits_for_the_dead(ready, sms):
    """It waited for the morning, and the patient died in the night."""
    night = replace(SITE, quiet_from="08:00", quiet_until="07:00")
    run(ready, [sms], NOW, night)
    plan_messages(ready, NOW, night)
    assert one(ready).outcome == "waiting"
    die(ready, "P1", NOW + 3 * HOUR)
    for hour in (4, 23, 24, 48):
        run(ready, [sms], NOW + hour * HOUR, night)
    assert (one(ready).outcome, one(ready).because) == ("suppressed", "the patient has died")
    assert sms.sent == []


def test_a_patient_who_died_before_is_not_even_planned_for(store, sms):
    staff(store)
    enrol(store)
    agree(store)
    approved(store)
    die(store, "P1", REASSESS_DUE - days(1))
    settle_all(store, REASSESS_DUE)
    run(store, [sms])
    assert (to_patients(store), sms.sent) == ([], [])


@pytest.mark.parametrize("site", [Site(), Site(service_phone=DESK), Site(patient_messages=True)])
def test_off_by_default_nothing_is_planned_and_nothing_sent(ready, sms, site):
    run(ready, [sms], NOW, site)
    assert (to_patients(ready), sms.sent) == ([], [])


def test_without_consent_nothing_is_planned(store, sms):
    staff(store)
    enrol(store)
    approved(store)
    settle_all(store, REASSESS_DUE)
    run(store, [sms])
    assert (to_patients(store), sms.sent) == ([], [])
    # A consent of tomorrow, in a rehearsal, is none today.
    agree(store, noted=NOW + days(1))
    run(store, [sms])
    assert to_patients(store) == []


def test_a_consent_that_was_ended_and_given_again_counts(ready, sms):
    ended(ready, NOW)
    agree(ready, address="+441632960777", noted=NOW)
    run(ready, [sms], NOW + HOUR)
    assert [recipient for _, recipient in sms.sent] == ["+441632960777"]


def test_consent_to_one_channel_is_none_to_another(ready, pigeon):
    run(ready, [pigeon])
    row = one(ready)
    assert (row.outcome, row.because) == ("suppressed", "no channel sms that reaches one person")
    assert not [recipient for _, recipient in pigeon.sent if recipient == PHONE]


def test_a_room_is_no_way_to_one_person(ready):
    room = Sms()
    room.reach = "room"
    run(ready, [room])
    assert (one(ready).outcome, one(ready).because) == ("suppressed", "no channel sms that reaches one person")


# ---------------------------------------------------------------- the wording


def test_another_wording_is_not_approved_and_the_old_one_is_again(ready, sms, tmp_path):
    text = (FOLDER / "patient-review.toml").read_text(encoding="utf-8")
    (tmp_path / "ours.toml").write_text(text.replace("is due. Please", "is due soon. Please"), encoding="utf-8")
    reworded = load_words(tmp_path)
    run(ready, [sms], words=reworded)
    because = "no clinician has approved the wording of patient-review, version 1"
    assert (one(ready).outcome, one(ready).because) == ("suppressed", because)
    change(ready, delete(OUTBOX).where(OUTBOX.c.role == "patient"))
    run(ready, [sms])
    assert one(ready).outcome == "sent"
    change(ready, delete(ATTEMPTS))
    change(ready, delete(OUTBOX).where(OUTBOX.c.role == "patient"))
    approve(ready, reworded, "patient-review", "Dr D. Sample", NOW)
    run(ready, [sms], words=reworded)
    assert "is due soon." in sms.letters[-1].brief


# ---------------------------------------------------------------- calls


@pytest.mark.parametrize(("ago", "outcome"), [(days(7) - HOUR, "suppressed"), (days(7), "sent"), (days(8), "sent")])
def test_a_call_silences_for_a_week(store, sms, ago, outcome):
    staff(store)
    enrol(store)
    agree(store)
    approved(store)
    accepted(store, "P1", Step("admin", "contact", {"outcome": "reached"}), NOW - ago)
    settle_all(store, REASSESS_DUE)
    run(store, [sms])
    assert one(store).outcome == outcome


def test_a_call_of_yesterday_that_is_entered_today_silences(ready, sms):
    contact = {"outcome": "reached", "date": date(2026, 2, 2)}
    accepted(ready, "P1", Step("admin", "contact", contact), NOW)
    run(ready, [sms], NOW + HOUR)
    assert one(ready).because == "staff spoke to the patient on 02-Feb-2026"


def test_a_call_that_was_taken_back_silences_nothing(ready, sms):
    accepted(ready, "P1", Step("admin", "contact", {"outcome": "reached"}), NOW)
    line = ready.journal("P1-1")[-1]
    accepted(ready, "P1", Step("correct", "contact", {"seq": line.seq}), NOW)
    run(ready, [sms])
    assert one(ready).outcome == "sent"
    assert verify(ready).problems == []


def test_the_day_of_a_call_is_that_of_the_patient(ready, sms):
    """Half past four in the afternoon of the third in Los Angeles is the fourth in Greenwich."""
    accepted(ready, "P1", Step("admin", "move_site", {"timezone": "America/Los_Angeles"}), NOW)
    accepted(ready, "P1", Step("admin", "contact", {"outcome": "reached"}), datetime(2026, 2, 4, 0, 30, tzinfo=UTC))
    run(ready, [sms], datetime(2026, 2, 4, 1, tzinfo=UTC))
    assert one(ready).because == "staff spoke to the patient on 03-Feb-2026"


def test_a_call_with_one_patient_silences_no_other(ready, sms):
    enrol(ready, "P2")
    agree(ready, "P2", address="+441632960002")
    settle_all(ready, REASSESS_DUE)
    talked("reached")(ready, NOW)
    run(ready, [sms], NOW + HOUR)
    assert {row.patient_id: row.outcome for row in to_patients(ready)} == {"P1": "suppressed", "P2": "sent"}


# ---------------------------------------------------------------- the cap of a week


@pytest.mark.parametrize(
    ("before", "outcome"),
    [
        ({"at": NOW - days(7)}, "sent"),
        ({"at": NOW - days(7) + HOUR}, "suppressed"),
        ({"at": NOW - HOUR, "ok": False, "answer": "unanswered"}, "suppressed"),
        ({"at": NOW - HOUR, "ok": False, "answer": "refused for good: 550", "outcome": "failed"}, "sent"),
        ({"at": NOW - HOUR, "ok": False, "answer": "451 try later", "outcome": "waiting"}, "sent"),
        ({"at": NOW - HOUR, "patient": "P2"}, "sent"),
    ],
)
def test_the_cap_counts_what_may_have_reached_this_patient_in_seven_days(ready, sms, before, outcome):
    enrol(ready, "P2")
    told_before(ready, "other", **before)
    run(ready, [sms], NOW, replace(SITE, patient_weekly_cap=1))
    (row,) = to_patients(ready, OUTBOX.c.code == "patient-review")
    assert row.outcome == outcome


def test_the_cap_counts_over_all_reasons_and_channels(ready, sms):
    """Two ways to the same patient at the same moment, and one message a week."""
    other = Sms("mail")
    agree(ready, channel="mail", address="+441632960003")
    run(ready, [sms, other], NOW, replace(SITE, patient_weekly_cap=1))
    assert len(sms.sent) + len(other.sent) == 1
    assert Counter(row.outcome for row in to_patients(ready)) == {"sent": 1, "suppressed": 1}
    settle_all(ready, LATE)
    run(ready, [sms, other], LATE, replace(SITE, patient_weekly_cap=1))
    assert Counter(row.outcome for row in to_patients(ready)) == {"sent": 2, "suppressed": 2}


# ---------------------------------------------------------------- hours

OFFICE = replace(SITE, quiet_from="20:00", quiet_until="07:00", workdays=frozenset(range(5)))


def test_in_the_patients_night_it_waits_until_the_morning_of_the_patient(ready, sms):
    accepted(ready, "P1", Step("admin", "move_site", {"timezone": "America/New_York"}), NOW)
    run(ready, [sms], NOW + HOUR, OFFICE)
    row = one(ready)
    assert (row.outcome, row.try_at) == ("waiting", datetime(2026, 2, 3, 12, tzinfo=UTC))
    assert row.because == "the patient is not written to before 03-Feb-2026 07:00"
    run(ready, [sms], datetime(2026, 2, 3, 12, tzinfo=UTC), OFFICE)
    assert one(ready).outcome == "sent"


def test_while_the_site_rests_no_patient_is_written_to(ready, sms):
    saturday = datetime(2026, 2, 7, 12, tzinfo=UTC)
    change(ready, update(OUTBOX).where(OUTBOX.c.kind == "milestone").values(due_at=saturday))
    for hour in range(0, 42):
        run(ready, [sms], saturday + hour * HOUR, OFFICE)
    assert sms.sent == []
    run(ready, [sms], datetime(2026, 2, 9, 7, tzinfo=UTC), OFFICE)
    assert one(ready).outcome == "sent"


# ---------------------------------------------------------------- too late, or the channel is down


def test_after_72_hours_staff_have_the_work(ready, sms):
    sms.trouble = ChannelDown("connection refused")
    tasks = table(models.Task)
    for hour in range(72):
        run(ready, [sms], REASSESS_DUE + hour * HOUR + timedelta(minutes=1))
    assert one(ready).outcome == "waiting"
    for minutes in (0, 20, 40):
        run(ready, [sms], REASSESS_DUE + days(3) + timedelta(minutes=1 + minutes))
    assert one(ready).outcome == "too_late"
    assert [task.role for task in rows(ready, models.Task, tasks.c.code == "K-REACH")] == ["coordinator"]
    sms.trouble = None
    run(ready, [sms], REASSESS_DUE + days(4))
    assert PHONE not in {recipient for _, recipient in sms.sent}


def test_an_old_milestone_is_not_told_to_who_agrees_today(store, sms):
    staff(store)
    enrol(store)
    approved(store)
    settle_all(store, REASSESS_DUE)
    agree(store, noted=REASSESS_DUE + days(3))
    run(store, [sms], REASSESS_DUE + days(3))
    assert (to_patients(store), sms.sent) == ([], [])
