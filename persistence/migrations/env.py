"""Alembic's way in: always on a connection that the project has opened."""

from typing import Literal

from alembic import context
from sqlmodel import SQLModel

import persistence.models  # noqa: F401 importing it fills the metadata
from persistence.utc import UtcDateTime


def _render(kind: str, found: object, _context: object) -> str | Literal[False]:
    return "UtcDateTime()" if kind == "type" and isinstance(found, UtcDateTime) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_item=_render,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
