"""The intake journal: what was refused before there was an episode to keep it in. One chain for the whole house."""

from dataclasses import replace

from sqlalchemy import Connection, insert, select

from pathway.journal import Entry
from persistence import models
from persistence.database import in_turn
from persistence.journal import FIRST, INTAKE, row_of
from persistence.registry import table


def write_intake(connection: Connection, patient: str, entry: Entry) -> None:
    """Add a refusal to the end of the chain, once for the same message."""
    in_turn(connection, INTAKE)
    entries = table(models.Entry)
    last = connection.execute(
        select(entries.c.seq, entries.c.hash)
        .where(entries.c.episode_id == INTAKE)
        .order_by(entries.c.seq.desc())
        .limit(1)
    ).first()
    seq, previous = (last.seq + 1, last.hash) if last else (1, FIRST)
    row = row_of(replace(entry, seq=seq), INTAKE, patient, previous, None)
    known = connection.scalar(
        select(entries.c.seq).where(
            entries.c.episode_id == INTAKE,
            entries.c.patient_id == patient,
            entries.c.step == row["step"],
            entries.c.effects == row["effects"],
        )
    )
    if known is None or entry.step.event_id is None:
        connection.execute(insert(entries), [row])
