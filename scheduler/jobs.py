"""Each thing that happens by itself, as one plain function with `now`, for the heartbeat and the command line."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from time import perf_counter

from pathway.calendar import local_date
from persistence.adding_up import other_work
from persistence.store import Settled, Store
from persistence.verify import Verified, verify
from scheduler.census import Census, census
from scheduler.channels import Channel
from scheduler.digest import Digest
from scheduler.digest_mail import ROLES, send_digests
from scheduler.job_runs import SETTLE, note_beat, once_a_day
from scheduler.outbox import Delivered, deliver
from scheduler.rows import tell_staff
from scheduler.settle import never, settle_all
from scheduler.site import ALWAYS_OPEN, Site
from scheduler.webhooks import Called, call_webhooks
from scheduler.words import Words

LONGEST = 4000
NAMED = 20


class Interrupted(Exception):
    """A long job was asked to stop."""


def run_settle(
    store: Store,
    now: datetime,
    *,
    batch: int = 200,
    on_batch: Callable[[Settled], None] | None = None,
    stop: Callable[[], bool] = never,
) -> Settled:
    """Fire all that is due; `on_batch` is given what each batch did."""
    begun = perf_counter()
    found = settle_all(store, now, batch=batch, on_batch=on_batch, stop=stop)
    report = {"episodes": found.episodes, "fired": found.fired, "set_aside": found.set_aside}
    note_beat(store, SETTLE, now, {**report, "seconds": round(perf_counter() - begun, 3)})
    return found


def run_deliver(
    store: Store,
    channels: Sequence[Channel],
    now: datetime,
    *,
    limit: int = 100,
    stop: Callable[[], bool] = never,
    site: Site = ALWAYS_OPEN,
    words: Words | None = None,
) -> Delivered:
    """Send what waits in the outbox, at the hours and in the measure of the site."""
    begun = perf_counter()
    found = deliver(store, channels, now, limit=limit, stop=stop, site=site, words=words)
    report = {"line": found.line(), "seconds": round(perf_counter() - begun, 3)}
    note_beat(store, "deliver", now, report)
    return found


def run_webhooks(
    store: Store,
    now: datetime,
    *,
    detail: bool = False,
    zone: str = "UTC",
    limit: int = 100,
    stop: Callable[[], bool] = never,
) -> Called:
    """Tell other systems what waits for them; noted as a beat only where there was something."""
    found = call_webhooks(store, now, detail=detail, zone=zone, limit=limit, stop=stop)
    if found.tried:
        note_beat(store, "webhooks", now, {"line": found.line()})
    return found


def run_digest(
    store: Store,
    channels: Sequence[Channel],
    now: datetime,
    *,
    site: Site = ALWAYS_OPEN,
    roles: Sequence[str] = ROLES,
    words: Words | None = None,
) -> dict[str, Digest]:
    """Send the digests that have not been sent on this local day; those sent, by address."""
    return send_digests(store, channels, now, site=site, roles=roles, words=words)


def run_census(store: Store, now: datetime, *, zone: str) -> Census:
    """Count everybody, and add up every journal's words to the work it leaves open; when something does not add up,
    staff are alerted, once a local day."""
    found = _counted(store, now, zone)
    note_beat(store, "census", now, _census_report(found))
    return found


def nightly_census(store: Store, now: datetime, *, zone: str) -> Census | None:
    """The census of this local day; None if it was taken already."""
    day = local_date(now, zone)
    return once_a_day(store, "nightly:census", day, now, lambda: _counted(store, now, zone), _census_report)


def _counted(store: Store, now: datetime, zone: str) -> Census:
    found = replace(census(store, now), other_work=other_work(store))
    if not found.adds_up:
        because = "; ".join([found.line(), *found.problems])
        _alert(store, f"census:{local_date(now, zone).isoformat()}", "CENSUS", because, now)
    return found


def _census_report(found: Census) -> dict[str, object]:
    return {"line": found.line(), "adds_up": found.adds_up}


def run_verify(
    store: Store,
    now: datetime,
    *,
    zone: str = "UTC",
    on_episode: Callable[[], None] | None = None,
    whole: bool = False,
) -> Verified:
    """Replay the journals of whatever changed since it last agreed, or of the whole; staff are alerted to a
    difference, once a local day."""
    found = _verified(store, now, zone, on_episode, whole=whole)
    note_beat(store, "verify", now, _verify_report(found))
    return found


def nightly_verify(store: Store, now: datetime, *, zone: str, stop: Callable[[], bool] = never) -> Verified | None:
    """The verification of this local day; None if it was done already.

    Raises Interrupted when asked to stop, and leaves the day free.
    """

    def heed() -> None:
        if stop():
            raise Interrupted

    day = local_date(now, zone)
    return once_a_day(store, "nightly:verify", day, now, lambda: _verified(store, now, zone, heed), _verify_report)


def _verified(
    store: Store, now: datetime, zone: str, on_episode: Callable[[], None] | None, *, whole: bool = False
) -> Verified:
    found = verify(store, on_episode, at=now, whole=whole)
    if found.problems:
        because = "; ".join([found.line(), *found.problems])
        _alert(store, f"verify:{local_date(now, zone).isoformat()}", "VERIFY", because, now)
    return found


def _verify_report(found: Verified) -> dict[str, object]:
    return {"line": found.line(), "how": found.how(), "lines": found.lines, "problems": found.problems[:NAMED]}


def _alert(store: Store, key: str, code: str, because: str, now: datetime) -> None:
    """Once for its key; a long list is cut, the whole of it is for the command line."""
    shown = because if len(because) <= LONGEST else f"{because[:LONGEST]} ..."
    with store.database.writing() as connection:
        tell_staff(connection, key, code, shown, now)
