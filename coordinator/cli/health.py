"""`pathway health`: how the machinery stands, for people and for a monitor that runs commands."""

from typing import Annotated

import typer
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from coordinator.cli.application import app, session
from coordinator.cli.base import JsonOption, is_simulation, opened
from coordinator.cli.output import say, show_json
from pathway.errors import StoreNotReady
from scheduler.health import LEVELS, Health, for_staff, without_database
from scheduler.health import health as take_health

NamesOption = Annotated[
    bool,
    typer.Option(
        "--names", help="For staff: also name the episodes that are set aside, and say why channels are down."
    ),
]


@app.command()
def health(names: NamesOption = False, as_json: JsonOption = False) -> None:
    """Say how the machinery stands and what is wrong with it; exit code 0 ok, 1 degraded, 2 down.

    Example: pathway health --names
    """
    found, details = _asked(names=names)
    if as_json:
        show_json({**found.as_json(), "details": details})
    else:
        for line in (found.line(), *found.problems, *(f"  {detail}" for detail in details)):
            say(line)
    raise typer.Exit(LEVELS.index(found.level))


def _asked(*, names: bool) -> tuple[Health, list[str]]:
    """Health with its details. Where time is moved by hand, nobody is expected to settle."""
    try:
        with opened() as (store, settings, now):
            every = None if is_simulation(store) else settings.settle_seconds
            return take_health(store, now, settle_seconds=every), for_staff(store, now) if names else []
    except (StoreNotReady, SQLAlchemyError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        return without_database(session.now(session.settings()), error), [str(reason)]
