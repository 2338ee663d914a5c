"""The worker: one of any number of processes, on any number of machines, that keep one PostgreSQL going."""

from typing import Annotated

import typer

from coordinator.cli.application import app, session
from coordinator.cli.output import errors, fail, say
from coordinator.settings import Settings
from coordinator.wiring import new_engine, open_channels, open_rhythm
from pathway.errors import StoreNotReady
from persistence.database import Database
from persistence.store import Store
from scheduler import worker as workers
from scheduler.health_door import health_door
from scheduler.logs import set_up_logs


@app.command()
def worker(
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Make the job tables, or make them anew for this version, and end.")
    ] = False,
) -> None:
    """Run until stopped, beside any number of other workers on one PostgreSQL, on any number of machines.

    Example: pathway worker --prepare
    """
    if session.simulated:
        fail("a worker lives in real time, so --now cannot be used with it; nothing was done.")
    settings = session.settings()
    store = Store(Database(settings.database), new_engine())
    try:
        workers.require_postgres(store.database)
        if prepare:
            _prepare(store.database)
        else:
            _work(store, settings)
    finally:
        store.database.close()


def _prepare(database: Database) -> None:
    database.require_ready()
    made = workers.prepare(database, anew=True)
    say(f"The job tables of {database.name} {'are made' if made else 'are as this version needs them'}.")


def _work(store: Store, settings: Settings) -> None:
    set_up_logs(settings.log_format)
    rhythm, channels = open_rhythm(settings), open_channels(settings)
    if not channels:
        errors.print("pathway: no channel is set up (docs/channels.md), so reminders wait.")
    _say_if_away(store.database)
    say(f"Working on {store.database.name}; stop with Ctrl-C or SIGTERM.")
    with health_door(settings.health_address, store, settle_seconds=settings.settle_seconds):
        workers.run_worker(store, channels, rhythm)
    say("Stopped; what was begun is finished.")


def _say_if_away(database: Database) -> None:
    """Why it cannot be reached: the log says only that it cannot, since it repeats nobody else's words."""
    try:
        database.require_ready()
    except StoreNotReady as error:
        if error.__cause__ is None:
            raise
        because = str(getattr(error.__cause__, "orig", error.__cause__)).splitlines()[0]
        errors.print(f"pathway: {database.name} cannot be reached, so it is waited for: {because}", markup=False)
