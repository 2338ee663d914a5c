"""The application and what is known of its commands without loading them.

Most commands stand on much more than a page of help needs, so the module of a command is loaded when the command is
asked for. `coordinator/data/commands.json` says which that is; `make docs` makes it from the commands themselves.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module, resources
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

if TYPE_CHECKING:
    from datetime import datetime

    from coordinator.settings import Settings

FILE = "commands.json"


@dataclass
class Session:
    """One command: its settings and its instant. The clock is read once, here."""

    database: str | None = None
    simulated: str | None = None

    def settings(self) -> "Settings":
        from coordinator.settings import read_settings  # noqa: PLC0415 what needs no setting waits for none

        return read_settings(database=self.database)

    def now(self, settings: "Settings") -> "datetime":
        from coordinator.cli.base import moment  # noqa: PLC0415 as above
        from scheduler.clock import utcnow  # noqa: PLC0415 as above

        return moment(self.simulated, settings.zone) if self.simulated else utcnow()


class NotLoaded(TyperCommand):
    """A command of which only the name and the help are known yet."""


class Commands(TyperGroup):
    """Every command by name; the one that is called is loaded then."""

    def __init__(self, *, commands: Any = None, **attributes: Any) -> None:
        known = {name: NotLoaded(name, help=entry["help"]) for name, entry in known_commands().items()}
        super().__init__(commands={**known, **(commands or {})}, **attributes)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        if isinstance(command, NotLoaded):
            command = loaded(args[0])
        return name, command, rest


@cache
def known_commands() -> Mapping[str, Mapping[str, Any]]:
    text = resources.files("coordinator").joinpath("data", FILE).read_text(encoding="utf-8")
    found: Mapping[str, Mapping[str, Any]] = json.loads(text)
    return found


def loaded(name: str) -> Any:
    for module in known_commands()[name]["modules"]:
        import_module(module)
    return get_group(app).commands[name]


def all_loaded() -> Mapping[str, Any]:
    """Every command as it is, by name, for whoever tells of all of them."""
    for module in iter_modules([str(Path(__file__).parent)]):
        import_module(f"{__package__}.{module.name}")
    return {name: command for name, command in get_group(app).commands.items() if not isinstance(command, NotLoaded)}


session = Session()
app = typer.Typer(
    cls=Commands,
    name="pathway",
    help="Follow every patient with a vertebral fracture along the pathway, so that nobody is lost.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)


@app.callback()
def common(
    database: Annotated[
        str | None, typer.Option("--database", "-d", help="Database URL; default sqlite:///pathway.db.")
    ] = None,
    now: Annotated[
        str | None,
        typer.Option(
            "--now",
            help="Simulation: act as if it were this time; only where `init --simulation` or `demo` made the database.",
        ),
    ] = None,
) -> None:
    session.database, session.simulated = database, now
