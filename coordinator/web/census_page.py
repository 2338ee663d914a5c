"""Whether nobody is lost and the machinery is well, as one page shows it."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import text as sql

from coordinator.web.access import May
from coordinator.web.desk import Desk
from coordinator.web.text import _
from coordinator.wiring import open_channels
from persistence.changes import Whose, episodes_named
from scheduler.census import Census
from scheduler.health import Health, for_staff, health
from scheduler.house_figures import house_census
from scheduler.job_runs import Run, latest_runs
from scheduler.outage import OutageReport, latest, outage_report

NIGHTLY = ("nightly:census", "census", "nightly:verify", "verify")
SHOWN = 14


@dataclass(frozen=True, slots=True)
class Part:
    """One number of the census; `href`: the list of whom it counts, for those who may see them."""

    word: str
    count: int
    href: str


@dataclass(frozen=True, slots=True)
class ShownRun:
    what: str
    run: Run
    content: bool
    line: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CensusPage:
    counted: Census
    sum: tuple[Part, ...]
    lost: tuple[Part, ...]
    strangers: Mapping[str, Whose]
    runs: tuple[ShownRun, ...]
    health: Health
    details: tuple[str, ...]
    outage: OutageReport | None
    channels: tuple[str, ...]
    schema: str


def census_page(desk: Desk) -> CensusPage:
    store, patients = desk.store, desk.me.may(May.SEE_PATIENTS)
    counted = house_census(store, desk.now)
    every = None if desk.house.simulation else desk.house.settings.settle_seconds
    when = latest(store)
    with store.database.reading() as connection:
        strangers = episodes_named(connection, counted.unknown_state) if patients else {}
        schema = str(connection.scalar(sql("SELECT version_num FROM alembic_version")))
    return CensusPage(
        counted,
        tuple(_sum(counted)),
        tuple(_lost(counted)),
        strangers,
        tuple(_shown(run, names=patients) for run in latest_runs(store, NIGHTLY, SHOWN)),
        health(store, desk.now, settle_seconds=every),
        tuple(for_staff(store, desk.now)) if patients else (),
        outage_report(store, *when) if when else None,
        tuple(channel.name for channel in open_channels(desk.house.settings)),
        schema,
    )


def _sum(counted: Census) -> list[Part]:
    return [
        Part(_("enrolled"), counted.enrolled, "/cohort/list"),
        Part(_("active"), counted.active, "/cohort/list?active=1"),
        Part(_("held"), counted.held, "/cohort/list?held=1"),
        Part(_("closed"), counted.closed, "/cohort/list?ended=1"),
    ]


def _lost(counted: Census) -> list[Part]:
    return [
        Part(_("looked after by nobody"), len(counted.unowned), "/cohort/list?unowned=1"),
        Part(_("without next date"), len(counted.without_next_date), "/cohort/list?dateless=1"),
    ]


def _shown(run: Run, *, names: bool) -> ShownRun:
    report = run.report
    problems = tuple(map(str, report.get("problems", ())))
    content = bool(report.get("adds_up", not problems))
    words = {"census": _("Census"), "verify": _("Verification")}
    what = words[run.job.rpartition(":")[2]]
    return ShownRun(what, run, content, str(report.get("line", "")), problems if names else ())
