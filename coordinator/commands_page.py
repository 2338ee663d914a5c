"""docs/commands.md, made from the commands' own help, so that the page cannot say something else."""

from collections.abc import Iterator
from typing import Any

import typer
from typer.main import get_command

from coordinator.cli import app as commands

WIDTH = 110
HEAD = """# Commands

Made from the commands themselves by `make docs`; a test holds it so.

Every command: `--database URL` and `--now TIME` (simulations only) stand before the command's name.
"""


def page(app: typer.Typer) -> str:
    """The Markdown page: one section a command, its help as it is printed."""
    parts = [f"## {name}\n\n```\n{text}\n```" for name, text in _helps(get_command(app), "pathway", None)]
    return HEAD + "\n" + "\n\n".join(parts) + "\n"


def _helps(command: Any, name: str, parent: Any) -> Iterator[tuple[str, str]]:
    context = typer.Context(command, info_name=name.rpartition(" ")[2], parent=parent)
    context.max_content_width = context.terminal_width = WIDTH
    yield name, command.get_help(context).strip()
    for inner, found in sorted(getattr(command, "commands", {}).items()):
        yield from _helps(found, f"{name} {inner}", context)


if __name__ == "__main__":
    typer.echo(page(commands), nl=False)
