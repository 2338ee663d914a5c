"""What frames every page: the places one may go to, how fresh the data is, and what must be said loudly."""

from typing import Any

from coordinator.web.access import May
from coordinator.web.desk import Desk
from coordinator.web.showing import instant
from coordinator.web.text import _, counted
from scheduler.health import LATE_AT_LEAST
from scheduler.job_runs import SETTLE, last_beat

# A machine that settles each minute and has been silent for this many rounds is not working.
ROUNDS = 3


def places() -> list[tuple[str, str, May, str]]:
    """The pages of the main menu: address, word, what it needs, and its key after g."""
    return [
        ("/", _("Today"), May.SEE_WORK, "t"),
        ("/board", _("Board"), May.SEE_COUNTS, "b"),
        ("/cohort", _("Cohort"), May.SEE_COUNTS, "c"),
        ("/pathway", _("Pathway"), May.SEE_RULES, "p"),
        ("/candidates", _("Candidates"), May.RECORD, "d"),
        ("/reminders", _("Reminders"), May.SEE_MESSAGES, "r"),
        ("/ahead", _("Time machine"), May.LOOK_AHEAD, "m"),
        ("/census", _("Census"), May.SEE_HEALTH, "n"),
        ("/audit", _("Audit"), May.AUDIT, "a"),
        ("/accounts", _("Accounts"), May.MANAGE_ACCOUNTS, "u"),
    ]


def here(desk: Desk | None, path: str) -> bool:
    found = desk.request.url.path if desk else ""
    return found == path or (path != "/" and found.startswith(f"{path}/"))


def fresh(desk: Desk) -> str:
    """When the engine last did its work."""
    with desk.store.database.reading() as connection:
        last = last_beat(connection, SETTLE)
    if last is None:
        return _("The engine has not run yet")
    return _("Engine last ran %(when)s", when=instant(last, desk.zone))


def loud(desk: Desk) -> list[str]:
    """What nobody may overlook: the engine is late, so that what is due may not have fired. Not in a simulation,
    whose time is moved by hand."""
    if desk.house.simulation:
        return []
    with desk.store.database.reading() as connection:
        last = last_beat(connection, SETTLE)
    if last is None:
        return [_("The engine has never run here: nothing falls due and nobody is told. Start `pathway run`.")]
    silent = desk.now - last
    allowed = max(LATE_AT_LEAST.total_seconds(), ROUNDS * desk.house.settings.settle_seconds)
    if silent.total_seconds() <= allowed:
        return []
    minutes = int(silent.total_seconds() // 60)
    return [
        counted(
            "The engine has been silent for %(num)s minute: what has fallen due since may be missing here.",
            "The engine has been silent for %(num)s minutes: what has fallen due since may be missing here.",
            minutes,
        )
    ]


GLOBALS: dict[str, Any] = {"places": places, "here": here, "fresh": fresh, "loud": loud}
