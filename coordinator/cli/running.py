"""Commands that run the machine: set up, the one-shot jobs for cron or systemd, and the daemon."""

from datetime import datetime
from typing import Annotated

import typer

from coordinator.cli.application import app, session
from coordinator.cli.base import SIMULATION, AsOfOption, JsonOption, known_at, opened
from coordinator.cli.output import errors, fail, progress, say, show_json
from coordinator.wiring import new_engine, open_channels, open_rhythm, open_site
from persistence.database import Database
from persistence.store import Store
from scheduler import jobs
from scheduler.census import census as take_census
from scheduler.clock_checks import check_clock, refuse_older_clock
from scheduler.digest import digest as make_digest
from scheduler.health_door import health_door
from scheduler.heartbeat import Heartbeat
from scheduler.logs import set_up_logs
from scheduler.words import load_words

# A one-shot delivers all that waits; the daemon goes in slices so that it can stop in between.
EVERYTHING = 1_000_000


def believe(store: Store, now: datetime) -> None:
    """Refuse a clock that cannot be right; a rehearsal has no other clock than its own."""
    if session.simulated:
        refuse_older_clock(store, now, rehearsal=True)
    else:
        check_clock(store, now)


@app.command()
def init(
    simulation: Annotated[
        bool, typer.Option("--simulation", help="A new database in which --now may move time, for rehearsals.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Create the database, or bring it up to this version.

    Example: pathway init
    """
    settings = session.settings()
    database = Database(settings.database)
    database.upgrade()
    store = Store(database, new_engine())
    if simulation and store.patients():
        fail(f"{database.name} holds patients, so it cannot become a simulation; name a new one with --database.")
    if simulation:
        store.mark_job(SIMULATION, "init", session.now(settings))
    database.close()
    if as_json:
        show_json({"database": database.name, "ready": True})
    else:
        say(f"{database.name} is ready. Next: pathway staff NAME@HOSPITAL --role coordinator, pathway import FILE.csv")


@app.command()
def settle(as_json: JsonOption = False) -> None:
    """Fire everything that is due, oldest first, each once. For cron, or after an outage.

    Example: pathway settle --json
    """
    with opened() as (store, settings, now), progress() as bar:
        believe(store, now)
        track = bar.add_task("Settling", total=None)
        done = jobs.run_settle(
            store, now, batch=settings.batch, on_batch=lambda found: bar.advance(track, found.episodes)
        )
    if as_json:
        show_json({"episodes": done.episodes, "fired": done.fired, "set_aside": done.set_aside})
    else:
        say(f"{done.fired} due things fired in {done.episodes} episodes; {len(done.set_aside)} set aside.")
    for episode, because in done.set_aside.items():
        errors.print(f"{episode} could not be settled and will be tried again: {because}", markup=False)
    if done.set_aside:
        raise typer.Exit(1)


@app.command()
def deliver(as_json: JsonOption = False) -> None:
    """Send what waits in the outbox, after checking that its reason still holds.

    Example: PATHWAY_OUTBOX_LOG=outbox.log pathway deliver
    """
    with opened() as (store, settings, now):
        believe(store, now)
        site, words = open_site(settings), load_words(settings.templates)
        done = jobs.run_deliver(store, open_channels(settings), now, limit=EVERYTHING, site=site, words=words)
    if as_json:
        show_json(done.counts())
    else:
        say(done.line())


@app.command()
def digest(
    role: Annotated[str, typer.Option("--role", help="coordinator, clinician or lead.")] = "coordinator",
    send: Annotated[bool, typer.Option("--send", help="Send today's digests to everyone, once a day.")] = False,
    as_of: AsOfOption = None,
    as_json: JsonOption = False,
) -> None:
    """The morning digest of one role; with --send, today's mail to all roles, once.

    Example: pathway digest --role clinician
    """
    with opened() as (store, settings, now):
        if send:
            believe(store, now)
            site, words = open_site(settings), load_words(settings.templates)
            sent = jobs.run_digest(store, open_channels(settings), now, site=site, words=words)
            say(f"{len(sent)} digests sent: {', '.join(sent) or 'all of today were sent before, or nobody to tell'}.")
            return
        found = make_digest(store, now, role, zone=settings.zone, as_of=known_at(as_of, settings, now))
    if as_json:
        show_json(found.as_json())
    else:
        say(found.text())


@app.command()
def census(as_of: AsOfOption = None, as_json: JsonOption = False) -> None:
    """Prove that nobody is lost: one line that adds up, exit code 1 and an alert when it does not.

    Everybody is counted, and the words of every journal are added up to the work that must be open.

    Example: pathway census --json
    """
    with opened() as (store, settings, now):
        then = known_at(as_of, settings, now)
        found = take_census(store, now, as_of=then) if then else jobs.run_census(store, now, zone=settings.zone)
    if as_json:
        show_json(found.as_json())
    else:
        say(found.line())
    for problem in found.problems:
        errors.print(problem, markup=False)
    if not found.adds_up:
        raise typer.Exit(1)


@app.command()
def verify(
    whole: Annotated[bool, typer.Option("--whole", help="Replay also what has not changed since it agreed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Replay journals and compare: the first difference, a broken chain, or "all N episodes agree".

    An episode that is byte for byte as it was when it last agreed, under the same program and rules, is not replayed.

    Example: pathway verify --whole
    """
    with opened() as (store, _settings, now), progress() as bar:
        track = bar.add_task("Replaying", total=None)
        found = jobs.run_verify(store, now, on_episode=lambda: bar.advance(track), whole=whole)
    if as_json:
        counted = {"episodes": found.episodes, "unchanged": found.unchanged, "lines": found.lines}
        show_json({**counted, "problems": found.problems})
    else:
        say(found.line())
        if found.unchanged:
            say(found.how())
    for problem in found.problems if not as_json else ():
        errors.print(problem, markup=False)
    if found.problems:
        raise typer.Exit(1)


@app.command()
def run() -> None:
    """Run until stopped: settle, deliver, the morning digest, the nightly census and verify.

    Example: PATHWAY_SMTP_HOST=mail.example.org pathway run
    """
    with opened() as (store, settings, now):
        rhythm = open_rhythm(settings)
        channels = open_channels(settings)
        if not channels:
            errors.print("pathway: no channel is set up (docs/channels.md), so reminders wait.")
        say(f"Running on {store.database.name}; stop with Ctrl-C or SIGTERM.")
        set_up_logs(settings.log_format)
        with health_door(settings.health_address, store, settle_seconds=settings.settle_seconds):
            Heartbeat(store, channels, rhythm).run()
    say("Stopped; what was begun is finished.")
