"""docs/commands.md and the list of commands, made from the commands themselves, so that neither says anything else."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import typer
from typer.main import get_command

from coordinator.cli.application import all_loaded, app

WIDTH = 110
HEAD = """# Commands

Made from the commands themselves by `make docs`; a test holds it so.

Every command: `--database URL` and `--now TIME` (simulations only) stand before the command's name.
"""


def page() -> str:
    """The Markdown page: one section a command, its help as it is printed."""
    all_loaded()
    parts = [f"## {name}\n\n```\n{text}\n```" for name, text in _helps(get_command(app), "pathway", None)]
    return HEAD + "\n" + "\n\n".join(parts) + "\n"


def _helps(command: Any, name: str, parent: Any) -> Iterator[tuple[str, str]]:
    context = typer.Context(command, info_name=name.rpartition(" ")[2], parent=parent)
    context.max_content_width = context.terminal_width = WIDTH
    yield name, command.get_help(context).strip()
    for inner, found in sorted(getattr(command, "commands", {}).items()):
        yield from _helps(found, f"{name} {inner}", context)


def listed() -> str:
    """The list from which a command is found without loading the others: its help, and the modules that make it."""
    found = {
        name: {"help": command.help, "modules": sorted({*_modules(command)})} for name, command in all_loaded().items()
    }
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def _modules(command: Any) -> Iterator[str]:
    if command.callback is not None:
        yield command.callback.__module__
    for inner in getattr(command, "commands", {}).values():
        yield from _modules(inner)


if __name__ == "__main__":
    typer.echo(listed() if "--list" in sys.argv else page(), nl=False)
