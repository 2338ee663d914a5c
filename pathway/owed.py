"""What is owed, added up from the words of a journal alone: which work is open and which clocks still run.

No rule is run again, so this holds whatever version of the rules wrote the lines, and it costs what reading them costs.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pathway.episode import WAITING, WHILE_SUSPENDED

# ("task", code, number) or ("timer", code, due date as ISO text).
Thing = tuple[str, str, Any]
# A task: its status, due date, and last day that is not overdue. A clock: its status. Dates as ISO text.
Standing = tuple[str, ...]
STANDS = {"task": ("open", "suspended"), "timer": WAITING}
CLOCK = {"timer_set": "pending", "timer_held": "held"}
# How an effect's text shows that it tells of either.
TELLS = ('"event":"task_', '"event":"timer_')


def owed(effects: Iterable[Mapping[str, Any]]) -> dict[Thing, Standing]:
    """What stands after the effects of all lines of one journal, in their order."""
    found: dict[Thing, Standing] = {}
    for effect in effects:
        event = effect["event"]
        if event.startswith("timer_"):
            found["timer", effect["code"], effect["due"]] = (CLOCK.get(event, event),)
        elif event.startswith("task_"):
            thing = "task", effect["code"], effect["n"]
            found[thing] = _told(event, effect, found.get(thing, ()))
    return {thing: standing for thing, standing in found.items() if standing[0] in STANDS[thing[0]]}


def _told(event: str, effect: Mapping[str, Any], before: Standing) -> Standing:
    match event:
        case "task_opened":
            return "open", effect["due"], effect["overdue_after"]
        case "task_redated":
            return before[0], effect["due"], effect["overdue_after"]
        case "task_suspended":
            return "suspended", *before[1:]
        case "task_resumed":
            return "suspended" if before[0] == WHILE_SUSPENDED else "open", *before[1:]
        case _:
            closed = WHILE_SUSPENDED if effect["how"] == WHILE_SUSPENDED else "closed"
            return closed, *before[1:]
