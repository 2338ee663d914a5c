"""What the screens need: accounts and their sign-ins, views of patients, work set aside, and moves to count"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from persistence.journal import dumps
from persistence.names import full_name, name_key
from persistence.utc import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Written over by what the journals say before anybody reads it.
NEVER = sa.text("'1970-01-01 00:00:00.000000'")
RED = ("K-SURG-ACK", "K-LATE-RESULT", "K-RF-REVIEW", "K-FREETEXT")
PAGE = 1000


def upgrade() -> None:
    _move()
    _look_again()
    _account()
    _sign_in()
    _attempt()
    _account_change()
    _viewing()
    _columns()
    _open_work()
    _lists()
    _names()
    _fill_from_the_journals()


def _move() -> None:
    op.create_table(
        "move",
        sa.Column("episode_id", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("moved_at", UtcDateTime(), nullable=False),
        sa.Column("from_state", sa.String(), nullable=True),
        sa.Column("from_sub", sa.String(), nullable=True),
        sa.Column("to_state", sa.String(), nullable=False),
        sa.Column("to_sub", sa.String(), nullable=True),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["episode_id"], ["episode.id"]),
        sa.PrimaryKeyConstraint("episode_id", "seq", "number"),
    )
    op.create_index("ix_move_rule", "move", ["moved_at", "rule"])
    op.create_index("ix_move_to", "move", ["to_state", "episode_id"])


def _look_again() -> None:
    op.create_table(
        "look_again",
        sa.Column("episode_id", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("because", sa.String(), nullable=False),
        sa.Column("noted_by", sa.String(), nullable=False),
        sa.Column("noted_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["episode_id"], ["episode.id"]),
        sa.PrimaryKeyConstraint("episode_id", "code", "n"),
    )


def _account() -> None:
    op.create_table(
        "account",
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("subject", sa.String(), nullable=True),
        sa.Column("must_change", sa.Boolean(), nullable=False),
        sa.Column("shortcuts", sa.Boolean(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["email"], ["user.email"]),
        sa.PrimaryKeyConstraint("email"),
        sa.UniqueConstraint("subject"),
    )


def _sign_in() -> None:
    op.create_table(
        "sign_in",
        sa.Column("secret_hash", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("began_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("browser", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("ended_because", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["email"], ["user.email"]),
        sa.PrimaryKeyConstraint("secret_hash"),
    )
    op.create_index(op.f("ix_sign_in_email"), "sign_in", ["email"])


def _attempt() -> None:
    op.create_table(
        "attempt",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_attempt_email", "attempt", ["email", "at"])
    op.create_index("ix_attempt_address", "attempt", ["address", "at"])


def _account_change() -> None:
    op.create_table(
        "account_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("was", sa.String(), nullable=False),
        sa.Column("became", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_account_change_at"), "account_change", ["at"])
    op.create_index(op.f("ix_account_change_email"), "account_change", ["email"])


def _viewing() -> None:
    op.create_table(
        "viewing",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("patient_id", sa.String(), nullable=False),
        sa.Column("page", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_viewing_patient", "viewing", ["patient_id", "at"])
    op.create_index("ix_viewing_email", "viewing", ["email", "at"])


def _columns() -> None:
    op.add_column("episode", sa.Column("since", UtcDateTime(), nullable=False, server_default=NEVER))
    op.create_index("ix_episode_owner", "episode", ["owner", "id", "state", "sub"])
    op.add_column("task", sa.Column("rank", sa.Integer(), nullable=False, server_default="1"))
    op.create_index("ix_episode_zone", "episode", ["zone"])
    op.add_column("contact", sa.Column("retracted", sa.Boolean(), nullable=False, server_default=sa.false()))


def _open_work() -> None:
    """Indexes of open work only: most tasks are closed, and no list asks for them."""
    orders = {
        "ix_task_late": ("rank", "overdue_after", "due", "role", "episode_id", "code", "n", "status"),
        "ix_task_ahead": ("rank", "due", "overdue_after", "role", "episode_id", "code", "n", "status"),
        "ix_task_of": ("episode_id", "rank", "due", "overdue_after", "role", "code", "n", "status"),
    }
    is_open = sa.text("status = 'open'")
    for name, columns in orders.items():
        op.create_index(name, "task", list(columns), sqlite_where=is_open, postgresql_where=is_open)
    op.drop_index("ix_task_open", table_name="task")


def _lists() -> None:
    """Indexes that hold all that a list or a count looks at."""
    op.drop_index("ix_episode_state", table_name="episode")
    op.create_index("ix_episode_state", "episode", ["state", "sub", "since", "owner", "id"])
    op.drop_index("ix_entry_recorded", table_name="entry")
    op.create_index("ix_entry_recorded", "entry", ["recorded_at", "episode_id", "seq"])
    waits = sa.text("status IN ('pending', 'held')")
    ahead = ["due", "code", "status", "episode_id"]
    op.create_index("ix_timer_ahead", "timer", ahead, sqlite_where=waits, postgresql_where=waits)
    op.create_index("ix_reminder_outcome", "reminder", ["outcome", "fired_at", "key"])
    op.create_index("ix_reminder_fired", "reminder", ["fired_at", "key"])


def _names() -> None:
    """The spelling of names by which people are searched and sorted, filled for those who are known."""
    text = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    op.add_column("patient", sa.Column("name_key", text, nullable=False, server_default=""))
    op.create_index(op.f("ix_patient_name_key"), "patient", ["name_key"])
    op.create_index(op.f("ix_patient_birth_date"), "patient", ["birth_date"])
    people = sa.table("patient", *(sa.column(name) for name in ("id", "surname", "given", "name_key")))
    connection = op.get_bind()
    known = connection.execute(sa.select(people.c.id, people.c.surname, people.c.given)).all()
    rows = [{"b_id": row.id, "b_key": name_key(full_name(row.surname, row.given))} for row in known]
    if rows:
        statement = sa.update(people).where(people.c.id == sa.bindparam("b_id"))
        connection.execute(statement.values(name_key=sa.bindparam("b_key")), rows)


def _fill_from_the_journals() -> None:
    """The transitions that the journals tell of, as rows, and since when each episode is where it is."""
    connection = op.get_bind()
    move = sa.table("move", sa.column("moved_at", UtcDateTime()), *(sa.column(name) for name in MOVE))
    names: list[sa.ColumnClause[Any]] = [sa.column(name) for name in ("episode_id", "seq", "effects")]
    entry = sa.table("entry", sa.column("recorded_at", UtcDateTime()), *names)
    query = (
        sa.select(entry).where(entry.c.effects.like('%"event":"transition"%')).order_by(entry.c.episode_id, entry.c.seq)
    )
    rows = [row for line in connection.execute(query) for row in _moves(line)]
    for start in range(0, len(rows), PAGE):
        connection.execute(sa.insert(move), rows[start : start + PAGE])
    connection.execute(
        sa.text(
            "UPDATE episode SET since = coalesce("
            "(SELECT max(moved_at) FROM move WHERE move.episode_id = episode.id), since)"
        )
    )
    task = sa.table("task", sa.column("code"), sa.column("rank"))
    connection.execute(sa.update(task).where(task.c.code.in_(RED)).values(rank=0))
    _tell_episodes_of_their_contacts(connection)


def _tell_episodes_of_their_contacts(connection: sa.Connection) -> None:
    """An episode knows its talks with the patient, so that one of them can be taken back."""
    names: list[sa.ColumnClause[Any]] = [sa.column(name) for name in ("episode_id", "seq", "outcome")]
    contact = sa.table("contact", *names)
    known: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(sa.select(contact).order_by(contact.c.episode_id, contact.c.seq)):
        known.setdefault(row.episode_id, []).append({"seq": row.seq, "outcome": row.outcome, "retracted": False})
    episode = sa.table("episode", sa.column("id"), sa.column("document"))
    for name, contacts in known.items():
        mine = episode.c.id == name
        document = json.loads(connection.scalar(sa.select(episode.c.document).where(mine)) or "{}")
        connection.execute(sa.update(episode).where(mine).values(document=dumps({**document, "contacts": contacts})))


MOVE = ["episode_id", "seq", "number", "from_state", "from_sub", "to_state", "to_sub", "rule", "actor"]


def _moves(line: Any) -> list[dict[str, Any]]:
    effects = [effect for effect in json.loads(line.effects)["effects"] if effect["event"] == "transition"]
    return [
        {
            "episode_id": line.episode_id,
            "seq": line.seq,
            "number": number,
            "moved_at": line.recorded_at,
            "from_state": effect.get("from"),
            "from_sub": effect.get("from_sub"),
            "to_state": effect["to"],
            "to_sub": effect.get("to_sub"),
            "rule": effect["rule"],
            "actor": effect["actor"],
        }
        for number, effect in enumerate(effects)
    ]


def downgrade() -> None:
    op.drop_column("contact", "retracted")
    for name in ("birth_date", "name_key"):
        op.drop_index(f"ix_patient_{name}", table_name="patient")
    op.drop_column("patient", "name_key")
    for name in ("ix_reminder_fired", "ix_reminder_outcome"):
        op.drop_index(name, table_name="reminder")
    op.drop_index("ix_timer_ahead", table_name="timer")
    op.drop_index("ix_entry_recorded", table_name="entry")
    op.create_index("ix_entry_recorded", "entry", ["recorded_at"])
    op.drop_index("ix_episode_state", table_name="episode")
    op.create_index("ix_episode_state", "episode", ["state", "sub"])
    op.create_index("ix_task_open", "task", ["status", "due", "episode_id"])
    for name in ("ix_task_of", "ix_task_ahead", "ix_task_late"):
        op.drop_index(name, table_name="task")
    op.drop_column("task", "rank")
    op.drop_index("ix_episode_zone", table_name="episode")
    op.drop_index("ix_episode_owner", table_name="episode")
    op.drop_column("episode", "since")
    for name in ("viewing", "account_change", "attempt", "sign_in", "account", "look_again", "move"):
        op.drop_table(name)
