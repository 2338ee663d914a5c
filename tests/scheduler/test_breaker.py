"""A channel that is down is left alone, by every machine and each time for longer, and what is too late moves on."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from persistence import models
from persistence.store import table
from persistence.verify import verify
from scheduler.backoff import FIRST, LONGEST, pause
from scheduler.channels import ChannelDown, ChannelError
from scheduler.channels.logfile import LogFile
from scheduler.outage import outages
from scheduler.outbox import deliver
from scheduler.settle import settle_all
from scheduler.site import Site
from tests.scheduler.ward import (
    LATE,
    REASSESS_DUE,
    Pigeon,
    change,
    days,
    enrol,
    hire,
    open_store,
    red_flag,
    rows,
    staff,
)

OUTBOX = table(models.Reminder)
NOW = datetime(2026, 2, 3, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DOWN = ChannelDown("connection refused")


@pytest.fixture
def house(store):
    """Two colleagues and no patients: every message is one of the house, which is always true and never too late."""
    staff(store)
    return store


def put(store, *numbers, at=NOW):
    for number in numbers:
        row = {
            **{"key": f"alert-{number:02}", "kind": "alert", "code": "CENSUS", "role": "clinician", "detail": "{}"},
            **{"due_at": at, "fired_at": at, "try_at": at, "outcome": "waiting", "attempts": 0, "because": ""},
        }
        change(store, insert(OUTBOX).values(**row))


def breaker(store, channel="pigeon"):
    found = rows(store, models.Breaker, table(models.Breaker).c.channel == channel)
    return found[0] if found else None


def attempts(store, *conditions):
    return rows(store, models.Delivery, *conditions)


def known_outages(store):
    with store.database.reading() as connection:
        return outages(connection)


def waiting(store):
    return rows(store, models.Reminder, OUTBOX.c.outcome == "waiting")


# ---------------------------------------------------------------- pauses


def test_a_pause_doubles_from_a_minute_to_a_quarter_of_an_hour_spread_by_a_quarter():
    for number, whole in enumerate([1, 2, 4, 8, 15, 15, 15], start=1):
        found = [pause(f"key {key}", number) / MINUTE / whole for key in range(200)]
        assert 0.75 <= min(found) < 0.8
        assert 1.2 < max(found) <= 1.25
        assert len(set(found)) == 200
    assert pause("key", 0) == pause("key", 0)
    assert FIRST * 0.75 <= pause("key", 0) <= FIRST * 1.25
    assert pause("key", 10_000) <= LONGEST * 1.25


def test_the_same_story_has_the_same_pauses():
    assert pause("key", 3) == pause("key", 3)
    assert pause("key", 3) != pause("other", 3)


# ---------------------------------------------------------------- tripping


def test_a_channel_that_is_down_is_asked_once_and_then_left_alone(house, pigeon):
    put(house, 1, 2, 3)
    pigeon.trouble = DOWN
    deliver(house, [pigeon], NOW)
    found = breaker(house)
    assert (found.failures, found.since, found.because) == (1, NOW, "connection refused")
    assert NOW + 0.75 * MINUTE <= found.open_until <= NOW + 1.25 * MINUTE
    for seconds in (1, 20, 40):
        deliver(house, [pigeon], NOW + timedelta(seconds=seconds))
    assert len(attempts(house)) == 1
    assert {row.attempts for row in rows(house, models.Reminder)} == {0, 1}


def test_each_time_it_fails_it_is_left_alone_for_longer_and_one_message_tries_it(house, pigeon):
    put(house, *range(5))
    pigeon.trouble = DOWN
    now, rests = NOW, []
    for count in range(1, 8):
        deliver(house, [pigeon], now)
        found = breaker(house)
        assert (found.failures, found.since, len(attempts(house))) == (count, NOW, count)
        rests.append((found.open_until - now) / MINUTE)
        now = found.open_until
    for rest, whole in zip(rests, (1, 2, 4, 8, 15, 15, 15), strict=True):
        assert 0.75 * whole <= rest <= 1.25 * whole
    assert len(set(rests[4:])) == 3


def test_a_day_without_mail_costs_few_attempts_whatever_waits(house, pigeon):
    put(house, *range(20))
    pigeon.trouble = DOWN
    for minute in range(0, 24 * 60):
        deliver(house, [pigeon], NOW + minute * MINUTE)
    # Four to five an hour after the first minutes, although there was a round every minute and twenty messages.
    assert 24 * 60 / (15 * 1.25 + 1) <= len(attempts(house)) <= 24 * 60 / (15 * 0.75) + 5
    assert breaker(house).failures == len(attempts(house))
    assert len(waiting(house)) == 20


def test_another_machine_leaves_it_alone_as_well(house, url, pigeon):
    put(house, 1, 2)
    pigeon.trouble = DOWN
    deliver(house, [pigeon], NOW)
    other = open_store(url)
    try:
        deliver(other, [pigeon], NOW + timedelta(seconds=30))
    finally:
        other.database.close()
    assert len(attempts(house)) == 1


def test_a_channel_that_works_goes_on_beside_one_that_is_down(house, pigeon):
    down = Pigeon("down")
    down.trouble = DOWN
    put(house, *range(6))
    deliver(house, [down, pigeon], NOW)
    assert len(pigeon.sent) == 6
    assert len(attempts(house, table(models.Delivery).c.channel == "down")) == 1
    assert breaker(house) is None
    assert len(waiting(house)) == 6, "who is told by the other channel only has not been told yet"


# ---------------------------------------------------------------- mending


def test_when_it_works_again_everything_goes_out_and_the_outage_is_noted(house, pigeon):
    put(house, *range(5))
    pigeon.trouble = DOWN
    now = NOW
    for _ in range(4):
        deliver(house, [pigeon], now)
        now = breaker(house).open_until
    pigeon.trouble = None
    done = deliver(house, [pigeon], now)
    assert breaker(house) is None
    (outage,) = known_outages(house)
    assert (outage.what, outage.since, outage.until, outage.because) == ("pigeon", NOW, now, "connection refused")
    # Those that were tried have a pause of their own; the others go out at once.
    assert done.sent >= 1
    deliver(house, [pigeon], now + LONGEST * 1.25)
    assert not waiting(house)
    assert len(pigeon.sent) == len(set(pigeon.sent)) == 5


def test_two_outages_are_two(house, pigeon):
    for day in range(2):
        put(house, day, at=NOW + days(day))
        pigeon.trouble = DOWN
        deliver(house, [pigeon], NOW + days(day))
        assert breaker(house).failures == 1
        pigeon.trouble = None
        deliver(house, [pigeon], NOW + days(day) + 30 * MINUTE)
    assert [(o.since, o.until) for o in known_outages(house)] == [
        (NOW + days(day), NOW + days(day) + 30 * MINUTE) for day in range(2)
    ]


def test_what_a_channel_took_before_it_failed_does_not_mend_it(house, pigeon):
    """The mail of the first message left before the server went; later only the other channel works."""
    mail = Pigeon("mail")
    put(house, 1)
    pigeon.bad["clive@example.org"] = ChannelError("451 try later")
    deliver(house, [mail, pigeon], NOW)
    assert mail.sent == [("alert-01", "clive@example.org")]
    mail.trouble = DOWN
    put(house, 2, at=NOW + 10 * MINUTE)
    pigeon.bad = {}
    deliver(house, [mail, pigeon], NOW + 10 * MINUTE)
    # The second message found the mail down, the first one only needed the pigeon.
    assert {row.key: row.outcome for row in rows(house, models.Reminder)} == {"alert-01": "sent", "alert-02": "waiting"}
    put(house, 3, at=NOW + 10 * MINUTE)
    deliver(house, [mail, pigeon], NOW + 10 * MINUTE + timedelta(seconds=10))
    assert breaker(house, "mail").failures == 1
    assert known_outages(house) == []


def test_a_row_that_needs_only_the_other_channel_does_not_mend_the_one_that_is_down(house, pigeon):
    mail = Pigeon("mail")
    put(house, 1)
    pigeon.bad["clive@example.org"] = ChannelError("451 try later")
    deliver(house, [mail, pigeon], NOW)
    change(house, insert(table(models.Breaker)).values(**tripped("mail", NOW + MINUTE)))
    pigeon.bad = {}
    deliver(house, [mail, pigeon], NOW + 2 * MINUTE)
    assert [row.outcome for row in rows(house, models.Reminder)] == ["sent"]
    assert breaker(house, "mail") is not None
    assert known_outages(house) == []


def tripped(channel, since):
    return {
        **{"channel": channel, "failures": 1, "because": "down"},
        **{"since": since, "open_until": since + timedelta(hours=1)},
    }


def test_a_channel_that_takes_one_letter_and_breaks_at_the_next_stays_tripped(house, pigeon):
    hire(house, "carl@example.org", "clinician")
    put(house, 1)
    pigeon.trouble = DOWN
    deliver(house, [pigeon], NOW)
    pigeon.trouble, pigeon.bad = None, {"clive@example.org": DOWN}
    deliver(house, [pigeon], NOW + 5 * MINUTE)
    assert pigeon.sent == [("alert-01", "carl@example.org")]
    assert breaker(house).failures == 2
    assert known_outages(house) == []


# ---------------------------------------------------------------- while it is down


def test_a_dead_channel_does_not_delay_settling(house, pigeon):
    """Settling asks no channel, so what falls due does so at its own time."""
    enrol(house)
    pigeon.trouble = DOWN
    settle_all(house, REASSESS_DUE)
    deliver(house, [pigeon], REASSESS_DUE)
    settled = settle_all(house, LATE)
    assert settled.fired >= 1
    found = rows(house, models.Reminder, OUTBOX.c.code == "K-REASSESS")
    assert [(row.fired_at, row.outcome) for row in found] == [(LATE, "waiting")]


def test_what_is_too_late_becomes_work_while_the_channel_is_still_down(house, pigeon):
    """A message of 168 hours fell due on Wednesday at eight; a week later a coordinator finds the task."""
    enrol(house)
    pigeon.trouble = DOWN
    settle_all(house, LATE)
    office = Site("Europe/London", "20:00", "07:00", frozenset(range(5)))
    for hour in range(24 * 7 + 1):
        deliver(house, [pigeon], LATE + timedelta(hours=hour), site=office)
    (row,) = rows(house, models.Reminder, OUTBOX.c.code == "K-REASSESS")
    assert row.outcome == "waiting", "it is of use up to the last moment"
    end = LATE + days(7)
    for minute in range(1, 30):
        deliver(house, [pigeon], end + minute * MINUTE, site=office)
    (row,) = rows(house, models.Reminder, OUTBOX.c.key == row.key)
    assert (row.outcome, row.because) == ("too_late", "too late: it was of use until 25-Feb-2026 08:00")
    assert row.settled_at - end < LONGEST * 1.25 + MINUTE
    assert reach_tasks(house) == ["open"]
    assert breaker(house) is not None
    assert pigeon.sent == []
    assert verify(house).problems == []


def test_rounds_so_far_apart_that_each_finds_the_channel_closed_make_tasks_as_well(house, pigeon):
    """By cron every hour: each round tries the channel first, and only then knows that it is down."""
    enrol(house)
    pigeon.trouble = DOWN
    settle_all(house, REASSESS_DUE)
    (milestone,) = rows(house, models.Reminder, OUTBOX.c.code == "REASSESS")
    for hour in range(360 + 2):
        deliver(house, [pigeon], REASSESS_DUE + timedelta(hours=hour), limit=500)
    (milestone,) = rows(house, models.Reminder, OUTBOX.c.key == milestone.key)
    assert (milestone.outcome, milestone.settled_at) == ("too_late", REASSESS_DUE + timedelta(hours=361))


def test_reminders_that_take_each_others_place_do_not_hide_that_nobody_is_told(house, pigeon):
    """The engine goes on while the mail is down for weeks, so each week's reminder replaces the one before it."""
    enrol(house)
    pigeon.trouble = DOWN
    for half_day in range(2 * 24):
        now = LATE + timedelta(hours=12 * half_day)
        settle_all(house, now)
        deliver(house, [pigeon], now, limit=500)
        deliver(house, [pigeon], now + timedelta(minutes=2), limit=500)
    found = sorted(rows(house, models.Reminder, OUTBOX.c.code == "K-REASSESS"), key=lambda row: row.due_at)
    assert [(row.kind, row.outcome) for row in found] == [
        ("overdue", "too_late"),
        ("repeat", "too_late"),
        ("repeat", "too_late"),
        ("repeat", "waiting"),
    ]
    assert {row.settled_at - row.due_at for row in found[:-1]} == {days(7.5)}
    assert reach_tasks(house) == ["open"]


def reach_tasks(store):
    tasks = table(models.Task)
    return [task.status for task in rows(store, models.Task, tasks.c.code == "K-REACH")]


def test_a_red_flag_that_nobody_could_be_told_of_is_a_persons_work_after_a_day(house, pigeon):
    enrol(house)
    red_flag(house, "P1", NOW)
    pigeon.trouble = DOWN
    for hour in range(26):
        now = NOW + timedelta(hours=hour, minutes=1)
        settle_all(house, now)
        deliver(house, [pigeon], now, limit=500)
        deliver(house, [pigeon], now + timedelta(minutes=2), limit=500)
        assert len(reach_tasks(house)) == (hour >= 25), hour
    # The mail is back: the alert is still true, and of the ladder only its latest step is told.
    pigeon.trouble = None
    back = NOW + timedelta(hours=26, minutes=30)
    deliver(house, [pigeon], back, limit=500)
    deliver(house, [pigeon], back + LONGEST * 1.25, limit=500)
    told = Counter(row.kind for row in rows(house, models.Reminder, OUTBOX.c.outcome == "sent"))
    assert (told["alert"], told["escalation"]) == (1, 1)


# ---------------------------------------------------------------- a copy is not a channel to people


def test_a_file_beside_the_mail_is_a_copy_and_tells_nobody(house, tmp_path):
    """With the mail down for weeks the file fills, and yet a person must get the work."""
    mail = Pigeon("smtp")
    mail.trouble = DOWN
    enrol(house)
    settle_all(house, LATE)
    channels = [mail, LogFile(tmp_path / "outbox.log")]
    deliver(house, channels, LATE, limit=500)
    (row,) = rows(house, models.Reminder, OUTBOX.c.code == "K-REASSESS")
    assert row.outcome == "waiting"
    assert row.key in (tmp_path / "outbox.log").read_text(encoding="utf-8")
    deliver(house, channels, LATE + days(8), limit=500)
    (row,) = rows(house, models.Reminder, OUTBOX.c.key == row.key)
    assert row.outcome == "too_late"
    assert reach_tasks(house) == ["open"]


def test_a_file_takes_what_the_mail_refuses_for_good_and_that_is_a_failure(house, tmp_path):
    mail = Pigeon("smtp")
    mail.bad = {
        person: ChannelError("550 no such mailbox", permanent=True)
        for person in ("clive@example.org", "cora@example.org")
    }
    enrol(house)
    settle_all(house, LATE)
    deliver(house, [mail, LogFile(tmp_path / "outbox.log")], LATE, limit=500)
    (row,) = rows(house, models.Reminder, OUTBOX.c.code == "K-REASSESS")
    assert (row.outcome, row.because) == ("failed", "clive@example.org: refused for good: 550 no such mailbox")
    assert reach_tasks(house) == ["open"]


def test_a_file_alone_is_the_channel_of_a_trial(house, tmp_path):
    enrol(house)
    settle_all(house, LATE)
    deliver(house, [LogFile(tmp_path / "outbox.log")], LATE, limit=500)
    assert {row.outcome for row in rows(house, models.Reminder)} == {"sent"}


def test_delivered_is_said_when_the_far_end_says_so_whatever_a_copy_says(house, tmp_path):
    class Answering(Pigeon):
        def send(self, message, recipient):
            super().send(message, recipient)
            return True

    put(house, 1)
    done = deliver(house, [Answering("sms"), LogFile(tmp_path / "outbox.log")], NOW)
    assert (done.delivered, done.sent) == (1, 0)
