"""When messages go out and how many of them: quiet hours, days off, the cap of a day, and what gives way to what."""

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, text, update

from persistence import models
from persistence.registry import upsert
from persistence.store import table
from scheduler import deliveries
from scheduler.audience import full_today
from scheduler.channels import ChannelDown, ChannelError
from scheduler.outbox import deliver
from scheduler.reasons import OF_A_TASK
from scheduler.rows import tell_staff
from scheduler.settle import settle_all
from scheduler.site import Site, read_holidays
from tests.scheduler.test_heartbeat import wait_for
from tests.scheduler.ward import Pigeon, change, days, enrol, hire, open_store, red_flag, rows, staff

OUTBOX = table(models.Reminder)
LONDON = "Europe/London"
OFFICE = Site(LONDON, "20:00", "07:00", frozenset(range(5)), read_holidays("GB-ENG"))
TUESDAY = datetime(2026, 2, 3, 10, tzinfo=UTC)
TOMORROW = datetime(2026, 2, 4, 7, tzinfo=UTC)
CLIVE, CORA = "clive@example.org", "cora@example.org"


@pytest.fixture
def ward(store):
    """One patient with nothing due, and two colleagues."""
    staff(store)
    enrol(store)
    settle_all(store, TUESDAY - timedelta(hours=3))
    change(store, update(OUTBOX).values(outcome="sent"))
    return store


def put(store, kind, number, at, *, role="clinician"):
    """A message of that kind in the outbox, true at all times, and about as urgent as its kind."""
    about = {"code": "CENSUS"}
    if kind in OF_A_TASK:
        about = {"code": "K-DATAQ", "task_n": 100 + number, "episode_id": "P1-1", "patient_id": "P1"}
        day = at.date()
        task = {"episode_id": "P1-1", "code": "K-DATAQ", "n": 100 + number, "role": role, "status": "open"}
        dates = {"due": day, "overdue_after": day, "opened_at": at}
        upsert_task(store, {**task, **dates, "why": ""})
    if kind == "milestone":
        about = {"code": "REASSESS", "episode_id": "P1-1", "patient_id": "P1"}
    row = {
        **{"key": f"{kind}-{number}", "kind": kind, "role": role, "detail": "{}", "because": "", **about},
        **{"due_at": at, "fired_at": at, "try_at": at, "outcome": "waiting", "attempts": 0},
    }
    change(store, insert(OUTBOX).values(**row))


def upsert_task(store, row):
    with store.database.writing() as connection:
        upsert(connection, models.Task, [row])


def letters(pigeon, person=CLIVE):
    return [key for key, recipient in pigeon.sent if recipient == person]


def outbox(store, *conditions):
    return {row.key: row for row in rows(store, models.Reminder, ~OUTBOX.c.key.startswith("P1-"), *conditions)}


# ---------------------------------------------------------------- quiet hours and days off


@pytest.mark.parametrize(
    ("now", "goes_out"),
    [
        (datetime(2026, 2, 6, 19, 59, tzinfo=UTC), True),
        (datetime(2026, 2, 6, 20, 0, tzinfo=UTC), False),
        (datetime(2026, 2, 7, 12, 0, tzinfo=UTC), False),
        (datetime(2026, 2, 9, 6, 59, tzinfo=UTC), False),
        (datetime(2026, 2, 9, 7, 0, tzinfo=UTC), True),
        (datetime(2026, 5, 25, 9, 0, tzinfo=UTC), False),
        (datetime(2026, 5, 26, 5, 59, tzinfo=UTC), False),
        (datetime(2026, 5, 26, 6, 0, tzinfo=UTC), True),
        (datetime(2026, 10, 26, 6, 59, tzinfo=UTC), False),
        (datetime(2026, 10, 26, 7, 0, tzinfo=UTC), True),
    ],
)
def test_while_the_site_rests_only_what_is_urgent_goes_out(ward, pigeon, now, goes_out):
    put(ward, "notice", 1, now)
    put(ward, "alert", 1, now)
    put(ward, "escalation", 1, now)
    deliver(ward, [pigeon], now, site=OFFICE)
    assert letters(pigeon) == ["alert-1", "escalation-1"] + ["notice-1"] * goes_out
    assert outbox(ward)["notice-1"].attempts == goes_out, "resting costs no attempt"


def test_what_waited_over_a_long_weekend_goes_out_at_its_end_and_once(ward, pigeon):
    friday = datetime(2026, 5, 22, 19, 30, tzinfo=UTC)
    put(ward, "notice", 1, friday)
    # Half past eight by the wall; then a round an hour until noon of the first working day.
    for hour in range(0, 4 * 24 - 8):
        deliver(ward, [pigeon], friday + timedelta(hours=hour), site=OFFICE)
    (row,) = outbox(ward).values()
    assert row.settled_at == datetime(2026, 5, 26, 6, 30, tzinfo=UTC)
    assert letters(pigeon) == ["notice-1"]


def test_a_red_flag_at_night_is_told_at_once(ward, pigeon):
    night = datetime(2026, 2, 8, 2, 13, tzinfo=UTC)
    red_flag(ward, "P1", night)
    deliver(ward, [pigeon], night, site=OFFICE)
    (alert,) = rows(ward, models.Reminder, OUTBOX.c.code == "RED_FLAG")
    assert (alert.outcome, alert.settled_at) == ("sent", night)
    assert letters(pigeon) == [alert.key]


def test_a_channel_for_urgent_things_carries_nothing_else(ward, pigeon):
    siren = Pigeon("siren")
    put(ward, "notice", 1, TUESDAY)
    put(ward, "alert", 1, TUESDAY)
    deliver(ward, [siren, pigeon], TUESDAY, site=Site(urgent_only=frozenset({"siren"})))
    assert (letters(siren), letters(pigeon)) == (["alert-1"], ["alert-1", "notice-1"])


def test_where_only_a_channel_for_urgent_things_is_set_up_the_rest_says_why_it_is_not_told(ward, pigeon):
    put(ward, "notice", 1, TUESDAY)
    deliver(ward, [pigeon], TUESDAY, site=Site(urgent_only=frozenset({"pigeon"})))
    row = outbox(ward)["notice-1"]
    assert (row.outcome, row.because) == ("suppressed", "no channel of this site carries it")


# ---------------------------------------------------------------- the cap


def test_what_ranks_highest_gives_way_first(ward, pigeon):
    """Each is put in before those that matter more, so that only their ranks can bring them into this order."""
    kinds = ["notice", "due", "repeat", "overdue", "milestone", "escalation", "alert"]
    for number, kind in enumerate(kinds):
        put(ward, kind, number, TUESDAY - timedelta(minutes=10 - number))
    site = Site(LONDON, daily_cap=4)
    deliver(ward, [pigeon], TUESDAY, site=site)
    assert letters(pigeon) == ["alert-6", "escalation-5", "milestone-4", "overdue-3"]
    deliver(ward, [pigeon], TUESDAY + days(1), site=site)
    assert letters(pigeon)[4:] == ["repeat-2", "due-1", "notice-0"]


def test_of_one_kind_the_youngest_gives_way_first(ward, pigeon):
    for number in (3, 1, 2):
        put(ward, "notice", number, TUESDAY - timedelta(minutes=number))
    deliver(ward, [pigeon], TUESDAY, site=Site(LONDON, daily_cap=2))
    assert letters(pigeon) == ["notice-3", "notice-2"]


def test_an_alert_goes_out_above_the_cap_and_counts(ward, pigeon):
    site = Site(LONDON, daily_cap=2)
    for number in range(3):
        put(ward, "notice", number, TUESDAY - timedelta(minutes=10 - number))
    deliver(ward, [pigeon], TUESDAY, site=site)
    put(ward, "alert", 1, TUESDAY)
    put(ward, "escalation", 1, TUESDAY)
    deliver(ward, [pigeon], TUESDAY + timedelta(minutes=1), site=site)
    assert letters(pigeon) == ["notice-0", "notice-1", "alert-1", "escalation-1"]
    # On the next day two alerts come first, and leave no room for the notice that waited.
    for number in (2, 3):
        put(ward, "alert", number, TUESDAY + days(1))
    deliver(ward, [pigeon], TUESDAY + days(1), site=site)
    assert letters(pigeon)[4:] == ["alert-2", "alert-3"]
    assert outbox(ward)["notice-2"].outcome == "waiting"


def test_the_cap_holds_for_a_day_and_what_gave_way_goes_out_on_the_next_working_day(ward, pigeon):
    site = Site(LONDON, "20:00", "07:00", frozenset(range(5)), daily_cap=3)
    friday = datetime(2026, 2, 6, 9, tzinfo=UTC)
    for number in range(5):
        put(ward, "notice", number, friday + timedelta(seconds=number))
    for minute in range(0, 180, 20):
        deliver(ward, [pigeon], friday + timedelta(minutes=minute + 1), site=site)
    assert letters(pigeon) == ["notice-0", "notice-1", "notice-2"]
    left = outbox(ward, OUTBOX.c.outcome == "waiting")
    assert {row.try_at for row in left.values()} == {datetime(2026, 2, 9, 7, tzinfo=UTC)}
    assert {row.because for row in left.values()} == {
        "the day's 3 messages are reached: it waits, and stands in the digest"
    }
    assert {row.attempts for row in left.values()} == {1}, "it is not looked at again before its day"
    done = deliver(ward, [pigeon], datetime(2026, 2, 9, 7, tzinfo=UTC), site=site)
    assert (done.sent, done.waiting) == (2, 0)
    assert len(pigeon.sent) == len(set(pigeon.sent)) == 5


def test_the_day_of_the_cap_is_that_of_the_wall(ward, pigeon):
    """In summer the day begins at eleven in the evening, UTC."""
    site = Site(LONDON, daily_cap=1)
    before = datetime(2026, 7, 1, 22, 50, tzinfo=UTC)
    for number in range(3):
        put(ward, "notice", number, before)
    deliver(ward, [pigeon], before, site=site)
    assert letters(pigeon) == ["notice-0"]
    assert {row.try_at for row in outbox(ward, OUTBOX.c.outcome == "waiting").values()} == {
        datetime(2026, 7, 1, 23, tzinfo=UTC)
    }
    deliver(ward, [pigeon], datetime(2026, 7, 1, 23, tzinfo=UTC), site=site)
    assert letters(pigeon) == ["notice-0", "notice-1"]


def test_a_cap_is_that_of_a_person_so_others_are_told_meanwhile(ward, pigeon):
    site = Site(LONDON, daily_cap=1)
    put(ward, "notice", 1, TUESDAY)
    deliver(ward, [pigeon], TUESDAY, site=site)
    hire(ward, "carl@example.org", "clinician")
    put(ward, "notice", 2, TUESDAY)
    deliver(ward, [pigeon], TUESDAY, site=site)
    assert pigeon.sent == [("notice-1", CLIVE), ("notice-2", "carl@example.org")]
    assert outbox(ward)["notice-2"].outcome == "waiting"
    deliver(ward, [pigeon], TUESDAY + days(1), site=site)
    assert pigeon.sent[2:] == [("notice-2", CLIVE)]
    assert outbox(ward)["notice-2"].outcome == "sent"


def test_two_channels_of_one_message_are_one_message(ward, pigeon):
    other = Pigeon("other")
    put(ward, "notice", 1, TUESDAY)
    put(ward, "notice", 2, TUESDAY)
    deliver(ward, [pigeon, other], TUESDAY, site=Site(LONDON, daily_cap=1))
    assert (letters(pigeon), letters(other)) == (["notice-1"], ["notice-1"])


def test_a_room_is_no_person_and_hears_everything(ward):
    room = Pigeon("room")
    room.reach = "room"
    for number in range(4):
        put(ward, "notice", number, TUESDAY)
    deliver(ward, [room], TUESDAY, site=Site(LONDON, daily_cap=2))
    assert [recipient for _, recipient in room.sent] == ["room"] * 4


def test_a_passing_failure_is_tried_again_today_although_somebody_else_has_had_enough(ward, pigeon):
    site = Site(LONDON, "20:00", "07:00", frozenset(range(5)), daily_cap=1)
    put(ward, "notice", 1, TUESDAY)
    deliver(ward, [pigeon], TUESDAY, site=site)
    hire(ward, "carl@example.org", "clinician")
    pigeon.bad["carl@example.org"] = ChannelError("451 try later")
    put(ward, "notice", 2, TUESDAY)
    deliver(ward, [pigeon], TUESDAY, site=site)
    row = outbox(ward)["notice-2"]
    assert row.because == "451 try later"
    assert row.try_at - TUESDAY < timedelta(minutes=2)
    pigeon.bad = {}
    deliver(ward, [pigeon], row.try_at, site=site)
    assert pigeon.sent == [("notice-1", CLIVE), ("notice-2", "carl@example.org")]
    assert outbox(ward)["notice-2"].try_at == TOMORROW


def test_what_was_not_handed_over_uses_up_nothing_of_the_day(ward, pigeon):
    pigeon.trouble = ChannelDown("connection refused")
    for number in range(2):
        put(ward, "notice", number, TUESDAY)
    now = TUESDAY
    for _ in range(5):
        deliver(ward, [pigeon], now, site=Site(LONDON, daily_cap=2))
        now += timedelta(minutes=20)
    pigeon.trouble = None
    deliver(ward, [pigeon], now, site=Site(LONDON, daily_cap=2))
    assert letters(pigeon) == ["notice-0", "notice-1"]


def test_what_was_refused_uses_up_nothing_of_the_day_either(ward, pigeon):
    pigeon.bad[CLIVE] = ChannelError("451 try later")
    for number in range(3):
        put(ward, "notice", number, TUESDAY)
    deliver(ward, [pigeon], TUESDAY, site=Site(LONDON, daily_cap=2))
    pigeon.bad = {}
    deliver(ward, [pigeon], TUESDAY + timedelta(minutes=20), site=Site(LONDON, daily_cap=2))
    assert letters(pigeon) == ["notice-0", "notice-1"]


@pytest.mark.parametrize(("reach", "address"), [("email", CLIVE), ("phone", "+441632960001")])
def test_a_worker_waits_until_another_has_said_whom_it_tells(ward, url, kind, reach, address):
    """One has counted two of two and not said so yet; the other must not count before it has."""
    people = table(models.User)
    change(ward, update(people).where(people.c.email == CLIVE).values(phone="+441632960001"))
    for number in range(3):
        put(ward, "notice", number, TUESDAY)
    pigeon, site = Pigeon(), Site(LONDON, daily_cap=2)
    pigeon.reach = reach
    other = open_store(url)
    thread = threading.Thread(target=deliver, args=(other, [pigeon], TUESDAY), kwargs={"site": site, "limit": 1})
    with ward.database.writing() as connection:
        assert full_today(connection, [address], site, TUESDAY, "notice-1") == set()
        for number in (1, 2):
            deliveries.begin(connection, f"notice-{number}", "pigeon", address, "x", TUESDAY)
        thread.start()
        # SQLite lets in one writer at a time; on PostgreSQL the wait can be seen.
        wait_for(lambda: kind == "sqlite" or not thread.is_alive() or somebody_waits(ward))
    thread.join()
    other.database.close()
    assert pigeon.sent == []
    assert outbox(ward)["notice-0"].because.startswith("the day's 2 messages are reached")


def somebody_waits(store):
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with store.database.reading() as connection:
        return connection.scalar(text(blocked)) > 0


@pytest.mark.parametrize("reach", ["email", "phone"])
def test_two_workers_together_keep_the_cap(ward, url, reach):
    """Each has its own store, as another process would; they begin at once and take turns at the same ten rows."""
    people = table(models.User)
    change(ward, update(people).where(people.c.email == CLIVE).values(phone="+441632960001"))
    for number in range(10):
        put(ward, "notice", number, TUESDAY)
    pigeon, gate, troubles = Pigeon(), threading.Barrier(2), []
    pigeon.reach = reach

    def work():
        store = open_store(url)
        try:
            gate.wait()
            deliver(store, [pigeon], TUESDAY, site=Site(LONDON, daily_cap=3))
        except Exception as error:
            troubles.append(error)
        finally:
            store.database.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert troubles == []
    assert Counter(recipient for _, recipient in pigeon.sent) == {CLIVE if reach == "email" else "+441632960001": 3}
    assert len(set(pigeon.sent)) == 3
    assert Counter(row.outcome for row in outbox(ward).values()) == {"sent": 3, "waiting": 7}


def test_what_always_gave_way_becomes_work_for_a_person_when_its_time_is_over(ward, pigeon):
    """A cap of one, and every day an older notice: nobody has been told, so somebody gets the work."""
    site = Site(LONDON, daily_cap=1)
    put(ward, "due", 1, TUESDAY)
    for number in range(8):
        put(ward, "overdue", 2 + number, TUESDAY + days(number))
        deliver(ward, [pigeon], TUESDAY + days(number), site=site)
    row = outbox(ward)["due-1"]
    assert row.outcome == "waiting"
    deliver(ward, [pigeon], TUESDAY + days(8), site=site)
    row = outbox(ward)["due-1"]
    assert (row.outcome, row.because) == ("too_late", "too late: it was of use until 10-Feb-2026 10:00")
    tasks = table(models.Task)
    (task,) = rows(ward, models.Task, tasks.c.code == "K-REACH")
    assert (task.status, task.role) == ("open", "coordinator")


def test_a_message_of_the_house_waits_for_the_morning_only_if_it_is_not_urgent(ward, pigeon):
    with ward.database.writing() as connection:
        tell_staff(connection, "census-2026-02-08", "CENSUS", "1 enrolled = 0", TUESDAY + days(5))
    deliver(ward, [pigeon], TUESDAY + days(5), site=OFFICE)
    assert letters(pigeon, CORA) == ["census-2026-02-08"]
