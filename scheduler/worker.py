"""The heartbeat of many machines: procrastinate carries the knocks, PostgreSQL knows what is due.

A job says "look", nothing else: it names no patient and no date. Whatever becomes of it (lost, late, done twice,
stuck in a dead worker), the next look finds the same rows, and the database lets each be fired once. So nothing
that matters lives in the job tables; they can be dropped and made anew at any time.

Each process has two crews. One thread settles; the others tell people, look after the daily jobs and tidy up: a mail
server that thinks for minutes keeps no timer waiting. More of everything is had by more processes, on any machine.
"""

import asyncio
import hashlib
import logging
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import psycopg
from procrastinate import App, PsycopgConnector, RetryStrategy
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException, UniqueViolation
from procrastinate.jobs import Status
from procrastinate.manager import JobManager
from procrastinate.schema import SchemaManager
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import func, select
from sqlalchemy.exc import InterfaceError, OperationalError

from pathway.errors import StoreError
from persistence.database import Database
from persistence.store import Store
from scheduler.channels import Channel
from scheduler.chores import Rhythm
from scheduler.clock import utcnow
from scheduler.heartbeat import SIGNALS
from scheduler.looks import Looks

# The tables of procrastinate live apart from ours, so that a dump can leave them out and a rebuild touches nothing.
SCHEMA = "pathway_jobs"
MARK = "pathway, made from the procrastinate schema "
# Any number will do, if nobody else on this database uses it.
PREPARING = 7_284_701

SETTLING, TELLING = "settling", "telling"
QUEUES = {"settle": SETTLING, "deliver": TELLING, "webhooks": TELLING}
THREADS = {SETTLING: 1, TELLING: 3}

# Seconds, all of them.
FIGURES_LOOK, DAILY_LOOK, RESCUE_LOOK, TIDY_LOOK = 60, 60, 5, 3600
# A notice that comes while a crew is just looking goes by unheard, hence the short LISTEN.
LISTEN, HEART, DEAD = 1, 10, 30
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 15.0
POOL_TIMEOUT = 3.0
FAILED_KEPT_HOURS = 72
# Three more attempts within 40 seconds, then the next knock.
RETRY = RetryStrategy(max_attempts=3, exponential_wait=3)

log = logging.getLogger(__name__)


class NeedsPostgres(StoreError):
    """The command `pathway worker` needs PostgreSQL, so nothing was started; on SQLite use `pathway run`."""


class OtherJobTables(StoreError):
    """The job tables were made by another version, so nothing was started; stop all workers and run
    `pathway worker --prepare`."""


class EndedByItself(Exception):
    """procrastinate stopped without being asked, as it does when it loses its connection"""


# What waiting can mend.
AWAY = (EndedByItself, ConnectorException, psycopg.OperationalError, OperationalError, InterfaceError)


def run_worker(
    store: Store, channels: Sequence[Channel], rhythm: Rhythm, *, clock: Callable[[], datetime] = utcnow
) -> None:
    """Work until SIGTERM or SIGINT, then finish what is in hand. Call it from the main thread.

    A database that is away is waited for, at the start and later. Raises NeedsPostgres, StoreNotReady,
    OtherJobTables, and ClockWentBack or ClockAhead.
    """
    require_postgres(store.database)
    _say_it_once()
    asyncio.run(Worker(store, channels, rhythm, clock).run())


# ---------------------------------------------------------------- the job tables


def require_postgres(database: Database) -> None:
    """Raises NeedsPostgres."""
    if database.engine.dialect.name != "postgresql":
        raise NeedsPostgres(database.name)


def prepare(database: Database, *, anew: bool = False) -> bool:
    """Make the job tables if there are none; whether any were made. Any number of workers may ask at once.

    Those of another version are dropped and made again with `anew`, else they raise OtherJobTables.
    """
    schema = SchemaManager.get_schema()
    mark = MARK + hashlib.sha256(schema.encode()).hexdigest()[:16]
    with database.writing() as connection:
        connection.execute(select(func.pg_advisory_xact_lock(PREPARING)))
        there = connection.scalar(select(func.to_regnamespace(SCHEMA))) is not None
        found = connection.scalar(select(func.obj_description(func.to_regnamespace(SCHEMA), "pg_namespace")))
        if found == mark:
            return False
        if there and not (anew and str(found).startswith(MARK)):
            raise OtherJobTables(f"schema {SCHEMA} of {database.name}")
        # Without parameters, or the driver would not take many statements in one text.
        bare = connection.execution_options(no_parameters=True)
        bare.exec_driver_sql(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA}")
        bare.exec_driver_sql(f"COMMENT ON SCHEMA {SCHEMA} IS '{mark}'; SET LOCAL search_path = {SCHEMA}; {schema}")
        return True


def connector(database: Database) -> PsycopgConnector:
    """procrastinate's own connections, to the same database and with the same options, in its schema."""
    url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    options = conninfo_to_dict(url)
    options["options"] = f"{options.get('options', '')} -c search_path={SCHEMA}".strip()
    return PsycopgConnector(kwargs=options, min_size=1, max_size=8, timeout=POOL_TIMEOUT)


class _Jobs(JobManager):
    """A job that would be tried again while another of its kind waits is not needed: that one will look.

    procrastinate lets the database refuse it, which would leave it in hand for ever (its issues 1446 and 1543).
    """

    async def retry_job_by_id_async(self, job_id: int, *args: Any, **kwargs: Any) -> None:
        try:
            await super().retry_job_by_id_async(job_id, *args, **kwargs)
        except UniqueViolation:
            await self.finish_job_by_id_async(job_id, Status.ABORTED, delete_job=True)


# ---------------------------------------------------------------- the process


class Worker:
    """One process: two crews of procrastinate on one pool of connections, and what to do when they stop."""

    def __init__(
        self, store: Store, channels: Sequence[Channel], rhythm: Rhythm, clock: Callable[[], datetime]
    ) -> None:
        self.store = store
        self.looks = Looks(store, channels, rhythm, clock, self._again)
        self.connector = connector(store.database)
        self.jobs = _Jobs(self.connector)
        self.crews = {name: App(connector=self.connector) for name in (SETTLING, TELLING)}
        for app in self.crews.values():
            app.job_manager = self.jobs
        self.asked = asyncio.Event()
        self._knock("settle", SETTLING, rhythm.settle_seconds, self.looks.settle)
        self._knock("deliver", TELLING, rhythm.deliver_seconds, self.looks.deliver)
        self._knock("webhooks", TELLING, rhythm.deliver_seconds, self.looks.webhooks)
        self._knock("figures", TELLING, FIGURES_LOOK, self.looks.figures)
        self._knock("digest", TELLING, DAILY_LOOK, self.looks.digest)
        self._knock("nightly", TELLING, DAILY_LOOK, self.looks.nightly)
        self._knock("rescue", TELLING, RESCUE_LOOK, self.rescue)
        self._knock("tidy", TELLING, TIDY_LOOK, self.tidy)

    def _knock(self, name: str, crew: str, seconds: float, work: Callable[..., Any]) -> None:
        app = self.crews[crew]
        job = app.task(name=name, queue=crew, queueing_lock=f"{name}:0", retry=RETRY)(work)
        app.periodic(cron=cron(seconds))(job)

    def _again(self, name: str, lane: int) -> None:
        queue = QUEUES[name]
        job = self.crews[queue].configure_task(name, queue=queue, queueing_lock=f"{name}:{lane}")
        # One that waits will look; a second would only look again.
        with suppress(AlreadyEnqueued):
            job.defer(lane=lane)

    async def rescue(self, timestamp: int = 0) -> None:
        """Jobs that a dead worker had in hand are done again."""
        for job in await self.jobs.get_stalled_jobs(seconds_since_heartbeat=DEAD):
            log.warning("a worker died with a job in hand, which is done again", extra={"job": job.task_name})
            await self.jobs.retry_job(job)

    async def tidy(self, timestamp: int = 0) -> None:
        """Finished jobs go at once; those that failed for good can be looked at for some days."""
        await self.jobs.delete_old_jobs(FAILED_KEPT_HOURS, include_failed=True, include_aborted=True)

    # ---------------------------------------------------------------- running

    async def run(self) -> None:
        """See `run_worker`."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._stop, number)
        try:
            await self._patiently("start", self._open)
            ends = await asyncio.gather(*map(self._crew, self.crews), return_exceptions=True)
        finally:
            await self.connector.close_async()
        for end in ends:
            if end is not None:
                raise end

    def _stop(self, number: int) -> None:
        log.info("finishing what is in hand", extra={"signal": signal.Signals(number).name})
        self.looks.stopping.set()
        self.asked.set()

    async def _open(self) -> None:
        await asyncio.to_thread(self._ready)
        try:
            await self.connector.open_async()
        except psycopg.OperationalError:
            # Else the connector would take the pool that gave up for an open one.
            await self.connector.close_async()
            raise

    def _ready(self) -> None:
        """Raises StoreNotReady, OtherJobTables, ClockWentBack and the like."""
        self.store.database.require_ready()
        self.looks.watch.now()
        prepare(self.store.database)

    async def _crew(self, name: str) -> None:
        """Keep one crew at work; when it cannot go on, the other one is stopped as well."""
        try:
            await self._patiently(name, lambda: self._shift(name))
        finally:
            self.looks.stopping.set()
            self.asked.set()

    async def _shift(self, name: str) -> None:
        """One life of a crew: until a stop is asked for, or raises EndedByItself, or what it stumbled over."""
        await asyncio.to_thread(self._ready)
        log.info("at work", extra={"worker": name})
        work = asyncio.create_task(
            self.crews[name].run_worker_async(
                queues=[name],
                name=name,
                concurrency=THREADS[name],
                delete_jobs="successful",
                install_signal_handlers=False,
                fetch_job_polling_interval=LISTEN,
                update_heartbeat_interval=HEART,
                stalled_worker_timeout=DEAD,
            )
        )
        asking = asyncio.create_task(self.asked.wait())
        await asyncio.wait([work, asking], return_when=asyncio.FIRST_COMPLETED)
        asking.cancel()
        # To cancel a worker is to ask it to finish what it has in hand.
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work
        if not self.asked.is_set():
            raise EndedByItself

    async def _patiently(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Until it is done or a stop is asked for. A database that is away is tried again, ever more slowly."""
        loop, pause = asyncio.get_running_loop(), FIRST_PAUSE
        while not self.asked.is_set():
            begun = loop.time()
            try:
                await work()
                return
            except Exception as error:
                if not _away(error):
                    raise
                if self.asked.is_set():
                    return
                pause = FIRST_PAUSE if loop.time() - begun > LONGEST_PAUSE else pause
                said = "the database cannot be used (%s), so this worker does nothing; trying again in %g s"
                log.warning(said, _root(error), pause, extra={"worker": name})
            with suppress(TimeoutError):
                await asyncio.wait_for(self.asked.wait(), pause)
            pause = min(pause * 2, LONGEST_PAUSE)


def _say_it_once() -> None:
    """A lost database is one sentence of ours, not pages of traceback and a line for every attempt of the pool."""
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    for name in ("utils", "worker", *(f"worker.{crew}" for crew in THREADS)):
        logging.getLogger(f"procrastinate.{name}").addFilter(_not_about_the_connection)


def _not_about_the_connection(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], ConnectorException))


def cron(seconds: float) -> str:
    """As often as that or a little more often; the sixth field is seconds. At least once an hour."""
    if seconds < 60:
        return f"* * * * * */{max(1, round(seconds))}"
    minutes = int(seconds // 60)
    return f"*/{minutes} * * * *" if minutes < 60 else "0 * * * *"


def _away(error: BaseException) -> bool:
    return isinstance(error, AWAY) or isinstance(error.__cause__, AWAY)


def _root(error: BaseException) -> BaseException:
    """What was behind it all."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
