"""`pathway demo`: eighteen months of synthetic patients through the real engine, and the morning that follows."""

import re
import sys
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from coordinator.cli.application import app, session
from coordinator.cli.base import SIMULATION, is_simulation
from coordinator.cli.output import console, fail, grid, marked, progress, say
from coordinator.demo_cohort import build
from coordinator.patient import patient_page
from coordinator.settings import Settings
from coordinator.web.access import ROLES
from coordinator.wiring import new_engine
from pathway.calendar import show_date, show_instant
from persistence.accounts import Accounts
from persistence.database import Database
from persistence.store import Store
from persistence.worklist import WorkItem, worklist
from scheduler import jobs
from scheduler.digest import digest

DEFAULT = "sqlite:///demo.db"
HISTORY = timedelta(days=1)
PICTURE_WIDTH = 150


@app.command()
def demo(
    patients: Annotated[int, typer.Option("--patients", min=1, max=5000)] = 300,
    seed: Annotated[int, typer.Option("--seed", help="The same seed makes the same people.")] = 7,
    svg: Annotated[Path | None, typer.Option("--svg", help="Also save what is printed as a picture.")] = None,
    serve: Annotated[
        bool | None,
        typer.Option("--serve/--no-serve", help="Then serve the screens, on this machine; the default in a terminal."),
    ] = None,
) -> None:
    """Build a database of synthetic patients and show the morning's work, on screens where somebody is looking.

    Example: pathway demo --patients 300
    """
    settings = session.settings()
    url = session.database or DEFAULT
    now = session.now(settings)
    if svg is not None:
        console.record, console.width = True, PICTURE_WIDTH
    store = _fresh(url)
    try:
        with progress() as bar:
            track = bar.add_task("18 months of history", total=100)
            build(
                store,
                now=now,
                seed=seed,
                patients=patients,
                zone=settings.zone,
                on_progress=lambda done, total: bar.update(track, completed=done, total=total),
            )
        store.mark_job(SIMULATION, "demo", now)
        store.suppress_waiting(now - HISTORY, "history of the demo, told to nobody", now)
        make_accounts(store, now)
        if svg is None and (serve if serve is not None else sys.stdin.isatty() and sys.stdout.isatty()):
            _show_short(store, settings, now)
            from coordinator.cli.server import serve_on  # noqa: PLC0415 a command that serves nothing loads no server

            serve_on(store, settings, demo=True, with_engine=False, simulated=now if session.simulated else None)
            return
        _show(store, settings, now, url)
    finally:
        store.database.close()
    if svg is not None:
        svg.write_text(_self_contained(console.export_svg(title="pathway demo")), encoding="utf-8")


def make_accounts(store: Store, now: datetime) -> None:
    """Somebody of every role, plainly made up, without a password: only a demo lets them in."""
    accounts = Accounts(store.database)
    for role in ROLES.values():
        row = {"email": f"demo-{role.id}@example.org", "must_change": False, "shortcuts": True}
        accounts.add({**row, "made_at": now, "made_by": "demo"}, name=f"Demo {role.title} (made up)", role=role.id)


def _fresh(url: str) -> Store:
    """An empty demo database; one that holds real work is never touched."""
    database = Database(url)
    file = database.sqlite_file
    if file is not None and file.exists():
        store = Store(database, new_engine())
        database.require_ready()
        if not is_simulation(store):
            fail(f"{file} is not a demo database, so it is left alone; name another with --database; nothing was done.")
        database.close()
        for suffix in ("", "-wal", "-shm", "-waiting"):
            Path(f"{file}{suffix}").unlink(missing_ok=True)
        database = Database(url)
    database.upgrade()
    return Store(database, new_engine())


def _show_short(store: Store, settings: Settings, now: datetime) -> None:
    say(f"Simulation: every person here is made up. {show_instant(now, settings.zone)}", style="bold reverse")
    states = Counter(store.engine.guideline.states[e.state].title for e in store.episodes())
    say("Where they are: " + ", ".join(f"{state} {count}" for state, count in states.most_common()))
    say("Census: " + jobs.run_census(store, now, zone=settings.zone).line())
    say()


def _show(store: Store, settings: Settings, now: datetime, url: str) -> None:
    items = worklist(store, now)
    _show_short(store, settings, now)
    say("\n".join(digest(store, now, "coordinator").text().splitlines()[:12]))
    say()
    urgent = [item for item in items if item.when != "upcoming"]
    grid(
        f"Worklist of {show_date(items[0].today)}: the first 12 of {len(urgent)} tasks due",
        ("When", "Patient", "Where", "Do next"),
        [_row(item, store) for item in urgent[:12]],
        "No work is due.",
    )
    say()
    _show_one(store, now, _telling(urgent, store))
    _show_next(url)


def _row(item: WorkItem, store: Store) -> tuple[str, ...]:
    late = f"▲ {item.days_overdue} d overdue" if item.days_overdue else "due today"
    where = store.engine.guideline.states[item.state].shown(item.sub)
    title = marked(item.title, engineering=item.engineering)
    return (f"⚑ {late}" if item.red_flag else late, f"{item.name} {item.patient}", where, title)


def _telling(items: list[WorkItem], store: Store) -> str:
    """A patient whose page shows much: a proposed augmentation, else the most urgent one."""
    proposed = [item.patient for item in items if item.state == "AUGMENTATION_REFERRAL"]
    return (proposed or [item.patient for item in items] or store.patients())[0]


def _show_one(store: Store, now: datetime, patient: str) -> None:
    page = patient_page(store, patient, now)
    episode = page.episodes[-1]
    guideline = store.engine.guideline
    say(f"One patient, and why: {page.banner}", style="bold")
    say(f"  {episode.state}, since {show_instant(episode.since, episode.episode.zone)}")
    moved = [told for told in episode.past if told.mark == "transition"][-1]
    cites = "; ".join(f"{cite}: {guideline.sources[cite].says}" for cite in moved.cites[:2])
    say(f"  {moved.what}, because {'; '.join(moved.because) or 'it was recorded'}")
    say(f"  Sources: {cites}", style="dim")
    for work in episode.work[:3]:
        late = f"{work.days_overdue} days overdue" if work.days_overdue else f"due {show_date(work.task.due)}"
        say(f"  Do next: {marked(work.title, engineering=work.engineering)} ({late}), {', '.join(work.cites)}")
    for expected in episode.ahead[:2]:
        say(f"  Ahead: {show_instant(expected.at, episode.episode.zone)} {expected.entry.step.kind} (if nobody acts)")
    say(f"  All of it: pathway --database DEMO patient {patient}")
    say()


def _show_next(url: str) -> None:
    say("What to try next", style="bold")
    say(f"  pathway --database {url} serve --demo       the same on screens")
    say(f"  export PATHWAY_DATABASE={url}")
    say("  pathway worklist --role clinician           who needs a clinician")
    say("  pathway preview --days 14                   what fires if nobody acts")
    say("  pathway verify                              replay every journal")
    say("  pathway guideline show C-03                 where the sources disagree")
    say("  pathway import examples/cohort.csv --dry-run")


def _self_contained(svg: str) -> str:
    """The picture names no web fonts and no maker: it needs nothing from another host."""
    return re.sub(r"@font-face \{.*?\}|<!--.*?-->", "", svg, flags=re.DOTALL)
