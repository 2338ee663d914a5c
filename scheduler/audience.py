"""Who is owed a message by which channel, and who has had enough of them today."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from pathway.guideline import ReminderRule
from persistence import models
from persistence.store import table
from scheduler import deliveries
from scheduler.channels import Channel
from scheduler.reasons import Matter
from scheduler.recipients import Staff
from scheduler.site import Site


def owed_to(
    staff: Staff, matter: Matter, rule: ReminderRule, carrying: Iterable[Channel]
) -> tuple[tuple[Channel, str], ...]:
    """Who must be told by which channel: a room once, a person at an address of theirs."""
    roles = (matter.row.role, *rule.also(matter.detail.get("step") or 1))
    owner = matter.episode.owner if matter.episode is not None else None
    people = staff.recipients(roles, owner=owner)
    found: list[tuple[Channel, str]] = []
    for channel in carrying:
        if channel.reach == "room":
            found += [(channel, channel.name)] if people else []
        else:
            addresses = (person.address(channel.reach) for person in people)
            found += [(channel, address) for address in addresses if address]
    return tuple(found)


def full_today(connection: Connection, people: Sequence[str], site: Site, now: datetime, key: str) -> set[str]:
    """Those who have had as many messages today as the site allows. Two workers count one after the other."""
    if site.daily_cap is None or not people:
        return set()
    staff = table(models.User)
    mine = staff.c.email.in_(people) | staff.c.phone.in_(people)
    connection.execute(select(staff.c.email).where(mine).order_by(staff.c.email).with_for_update())
    counts = deliveries.told_since(connection, people, site.midnight(now), key)
    cap = site.daily_cap
    return {person for person, count in counts.items() if count >= cap}
