"""Seeds 9, 11 and 12: days that count, days that are not twenty-four hours long, and clocks that are wrong."""

import json
import logging
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from typer.testing import CliRunner

from coordinator.cli import app
from pathway.calendar import fire_instant, zone_named
from pathway.errors import ClockWentBack
from persistence.store import Person
from persistence.verify import verify
from scheduler.clock import utcnow
from scheduler.health import health
from scheduler.heartbeat import Heartbeat, Rhythm
from scheduler.job_runs import note_beat
from tests.journeys.people import decided, examined, happened, pain, registered, scanned
from tests.peers.house import DAY, HOUR, MINUTE, OVERDUE, beat, enrol, everything, moments, outbox, walk
from tests.persistence.shelf import OPENED, tell
from tests.scheduler.ward import ZONE, staff

EIGHT = "08:00"


def eight(day: str | date, zone: str = ZONE) -> datetime:
    return fire_instant(date.fromisoformat(day) if isinstance(day, str) else day, EIGHT, zone)


def on_the_wall(instant: datetime, zone: str) -> str:
    return f"{instant.astimezone(zone_named(zone)):%Y-%m-%d %H:%M}"


# ---------------------------------------------------------------- 9: registered on the very day


def came_in_care(store, patient: str, days_ago: int, now: datetime, fracture: str) -> None:
    """Registered now, with care that began elsewhere so many days ago."""
    began = (now.date() - timedelta(days=days_ago)).isoformat()
    documented = decided("start_conservative", care_start=began, documented=True)
    tell(store, registered(fracture), examined(), scanned("2026-01-05"), documented, at=now, patient=patient)


@pytest.mark.parametrize(("days_ago", "hour", "owed"), [(27, 10, False), (28, 7, False), (28, 8, True), (29, 7, True)])
def test_seed_09_the_bound_is_the_day_itself_at_eight(store, pigeon, days_ago, hour, owed):
    staff(store)
    now = datetime(2026, 2, 2, hour, tzinfo=UTC)
    came_in_care(store, "P1", days_ago, now, "2026-01-01")
    beat(store, pigeon, now)
    sent = [row.code for row in outbox(store, kind="milestone", outcome="sent")]
    assert sent == (["REASSESS"] if owed else [])
    assert store.case("P1").episodes[0].state == ("REASSESSMENT" if owed else "CONSERVATIVE_CARE")
    # Whoever came before eight on the day itself is asked at eight.
    beat(store, pigeon, eight("2026-02-03"))
    assert [row.outcome for row in outbox(store, code="REASSESS")] == ["sent"]


def test_seed_09_whoever_comes_on_day_57_is_asked_all_that_was_missed_as_one_decision(store, pigeon):
    staff(store)
    now = datetime(2026, 2, 28, 10, tzinfo=UTC)
    came_in_care(store, "P1", 57, now, "2026-01-02")
    beat(store, pigeon, now)
    told = [(row.code, row.due_at, row.outcome) for row in outbox(store, kind="milestone")]
    assert told == [("IMAGING_8W", now, "sent"), ("REASSESS", now, "sent")]
    (episode,) = store.case("P1").episodes
    assert (episode.state, episode.place.purposes) == ("REASSESSMENT", ("4w", "8w"))
    (task,) = [task for task in episode.tasks if task.code == "K-REASSESS"]
    assert (task.due, task.status) == (date(2026, 1, 30), "open")


def test_seed_09_a_chain_of_reminders_never_starts_in_the_middle(store, pigeon):
    """Work of day 0 of somebody identified 57 days ago is told as overdue, once, and not as overdue again."""
    staff(store)
    now = datetime(2026, 3, 3, 10, tzinfo=UTC)
    tell(store, registered("2026-01-05", identification_date="2026-01-05"), at=now)
    beat(store, pigeon, now)
    assert {row.kind for row in outbox(store, code="K-OPRX")} == {"overdue"}
    walk(store, now + 15 * DAY)
    chains = {code: [row.kind for row in spoken] for code, spoken in by_code(store).items()}
    assert chains["K-OPRX"] == ["overdue", "repeat", "repeat"]
    assert {kinds[0] for code, kinds in chains.items() if code.startswith("K-")} == {"overdue"}


def by_code(store) -> dict[str, list]:
    """The messages of each task or timer in the order in which they came."""
    found: dict[str, list] = {}
    for row in sorted(outbox(store), key=lambda row: row.fired_at):
        found.setdefault(row.code, []).append(row)
    return found


# ---------------------------------------------------------------- 11: days that are not twenty-four hours long

# The day before four mornings, the zone of their wall, and the hours between them.
CHANGES = [
    ("2026-03-05", "America/New_York", [24, 23, 24]),
    ("2026-03-26", "Europe/London", [24, 23, 24]),
    ("2026-04-02", "Australia/Lord_Howe", [24, 24.5, 24]),
    ("2026-10-01", "Australia/Lord_Howe", [24, 23.5, 24]),
    ("2026-10-22", "Europe/London", [24, 25, 24]),
    ("2026-10-29", "America/New_York", [24, 25, 24]),
]


def punctually(store, until: datetime) -> None:
    """Wake a minute before every deadline, in vain, and at it."""
    while (due := store.next_wake()) is not None and due <= until:
        assert store.settle(due - MINUTE).episodes == 0
        store.settle(due)


def mornings(store, patient: str, zone: str, first: date, count: int) -> list[datetime]:
    """The instants at which staff hear of an examination that is owed, until so many mornings later."""
    refusal = store.record(Person(patient, zone), registered(str(first)), eight(first, zone) + HOUR).refusal
    assert refusal is None
    end = eight(first + timedelta(days=count), zone) + HOUR
    punctually(store, end)
    told = outbox(store, code="K-NEURO", patient_id=patient)
    assert [row.due_at for row in told] == [row.fired_at for row in told]
    store.record(patient, happened("withdraw", reason="moved away"), end)
    return [row.fired_at for row in told]


def test_seed_11_the_next_morning_is_the_next_date_at_the_same_time_on_the_wall(store):
    for number, (first, zone, hours) in enumerate(CHANGES):
        day = date.fromisoformat(first)
        told = mornings(store, f"P{number}", zone, day, 4)
        assert [(late - early) / HOUR for early, late in pairwise(told)] == hours
        dates = [day + timedelta(days=later) for later in range(1, 5)]
        assert [on_the_wall(at, zone) for at in told] == [f"{shown} 08:00" for shown in dates]
    assert verify(store).problems == []


@pytest.mark.parametrize(("zone", "skipped"), [("Pacific/Kwajalein", "1993-08-21"), ("Pacific/Apia", "2011-12-30")])
def test_seed_11_a_date_that_a_site_leaps_over_is_told_once_on_the_next(store, zone, skipped):
    missing = date.fromisoformat(skipped)
    before, after = missing - timedelta(days=1), missing + timedelta(days=1)
    care = missing - timedelta(days=28)
    at = eight(care, zone) + HOUR
    for step in (registered(str(care)), examined(), scanned(), decided("start_conservative")):
        assert store.record(Person("CARE", zone), step, at).refusal is None
    told = mornings(store, "P1", zone, before - timedelta(days=1), 3)
    assert [on_the_wall(morning, zone) for morning in told] == [f"{before} 08:00", f"{after} 08:00"]
    assert told[1] - told[0] == DAY
    assert moments(outbox(store, code="K-NEURO")) == {("P1", "K-NEURO"): 3}
    (milestone,) = outbox(store, code="REASSESS")
    assert milestone.key.endswith(f":{skipped}")
    assert on_the_wall(milestone.fired_at, zone) == f"{after} 08:00"


@pytest.mark.parametrize(
    ("care_start", "four_weeks", "three_months"),
    [
        ("2026-08-31", "2026-09-28", "2026-11-30"),
        ("2026-11-30", "2026-12-28", "2027-02-28"),
        ("2027-11-30", "2027-12-28", "2028-02-29"),
        ("2028-02-01", "2028-02-29", "2028-05-01"),
    ],
)
def test_seed_11_leap_days_and_the_ends_of_months(store, care_start, four_weeks, three_months):
    tell(store, registered(care_start), examined(), scanned(), decided("start_conservative"), at=eight(care_start))
    for day, code in ((four_weeks, "REASSESS"), (three_months, "FAILURE_REVIEW")):
        store.settle(eight(day) - MINUTE)
        assert outbox(store, code=code) == []
        store.settle(eight(day))
        (milestone,) = outbox(store, code=code)
        assert (milestone.due_at, on_the_wall(milestone.due_at, ZONE)) == (eight(day), f"{day} 08:00")


# ---------------------------------------------------------------- 12: a clock that went back


class Clock:
    """A clock that somebody sets, beside the time that truly passes."""

    def __init__(self, now: datetime) -> None:
        self.now = self.true = now

    def __call__(self) -> datetime:
        return self.now

    def passed(self) -> timedelta:
        return self.true - OVERDUE


@pytest.mark.parametrize("back", [HOUR, 365 * DAY], ids=["an hour", "a year"])
def test_seed_12_a_clock_that_goes_back_stops_every_job_and_changes_nothing(store, pigeon, caplog, back):
    staff(store)
    enrol(store, "P1", "P2")
    clock = Clock(OVERDUE)
    heart = Heartbeat(store, [pigeon], Rhythm(digest_time="00:00", nightly_time="00:00"), clock, clock.passed)
    beats = (heart.settle_beat, heart.deliver_beat, heart.digest_beat, heart.nightly_beat)
    for beat_once in beats:
        beat_once()
    # There is work to do at the very next beat: a patient more, whose milestones have all passed.
    enrol(store, "P3")
    before, sent = everything(store), len(pigeon.sent)
    clock.now = OVERDUE - back
    for beat_once in beats:
        beat_once()
    with pytest.raises(ClockWentBack):
        store.record("P1", pain(5), clock.now)
    assert (everything(store), len(pigeon.sent)) == (before, sent)
    alarms = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert len(alarms) == len(beats)
    assert all("clock is behind the last recorded work" in alarm for alarm in alarms)
    found = health(store, clock.now)
    assert (found.ok, "clock_back" in [problem.code for problem in found.findings]) == (False, True)

    clock.now = OVERDUE + MINUTE
    for beat_once in beats:
        beat_once()
    assert [row.outcome for row in outbox(store, code="REASSESS", patient_id="P3")] == ["too_late"]
    assert len(pigeon.sent) == len(set(pigeon.sent)) > sent


# ---------------------------------------------------------------- at the command line


@pytest.fixture
def terminal(url, monkeypatch):
    """Runs one command on the database of the test; what it answered."""
    monkeypatch.setenv("PATHWAY_DATABASE", url)
    return lambda *words: CliRunner().invoke(app, words)


def test_seed_11_looking_ahead_by_one_day_ends_at_the_same_time_on_the_wall(store, terminal, monkeypatch):
    """A minute after eight the next morning is within one day, were it twenty-five hours away; a minute before
    eight it is not, were it only twenty-three."""
    store.mark_job("simulation", "init", OPENED)
    for number, (first, zone, _) in enumerate(CHANGES):
        day, owner = date.fromisoformat(first), f"owner of P{number}"
        monkeypatch.setenv("PATHWAY_ZONE", zone)
        step = registered(first, owner=owner)
        assert store.record(Person(f"P{number}", zone), step, eight(day, zone) + HOUR).refusal is None
        for morning in (day + timedelta(days=later) for later in (1, 2, 3)):
            for wall, expected in (("07:59", morning), ("08:01", morning + timedelta(days=1))):
                if wall == "08:01":
                    store.settle(eight(morning, zone))
                asked = ("--now", f"{morning}T{wall}", "preview", "--days", "1", "--owner", owner, "--json")
                shown = [datetime.fromisoformat(row["at"]) for row in json.loads(terminal(*asked).stdout)]
                assert shown == [eight(expected, zone)], asked


@pytest.mark.parametrize("command", ["settle", "deliver", "digest --send"])
def test_seed_12_a_command_by_cron_refuses_a_clock_that_went_back(store, terminal, monkeypatch, tmp_path, command):
    monkeypatch.setenv("PATHWAY_OUTBOX_LOG", str(tmp_path / "outbox.log"))
    staff(store)
    note_beat(store, "settle", utcnow() + HOUR, {})
    before = everything(store)
    answer = terminal(*command.split())
    assert isinstance(answer.exception, ClockWentBack), answer.output
    assert everything(store) == before
