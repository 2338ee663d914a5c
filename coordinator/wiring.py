"""The composition root: from settings to a store, channels and the guideline, in one place."""

import re
from collections.abc import Iterator

from coordinator.settings import Settings, SettingsFaulty
from pathway.checking import load_guideline
from pathway.engine import Engine
from pathway.errors import GuidelineFaulty
from persistence.database import Database
from persistence.store import Store
from scheduler.channels import Channel
from scheduler.channels.apprise_urls import AppriseUrl
from scheduler.channels.logfile import LogFile
from scheduler.channels.smtp import Smtp
from scheduler.channels.webhook import Webhook
from scheduler.chores import Rhythm
from scheduler.site import Site, SiteFaulty, read_holidays, read_workdays
from scheduler.words import load_words

OURS = ("smtp", "logfile", "webhook")
CHANNEL_NAME = r"[A-Za-z][A-Za-z0-9_-]{0,39}"


def new_engine() -> Engine:
    return Engine(load_guideline())


def open_store(settings: Settings) -> Store:
    """The store of these settings, its schema checked; raises StoreNotReady."""
    engine = new_engine()
    if settings.profile not in engine.guideline.profiles:
        raise GuidelineFaulty(f"PATHWAY_PROFILE {settings.profile!r} is no profile of the guideline")
    database = Database(settings.database)
    database.require_ready()
    return Store(database, engine)


def open_channels(settings: Settings) -> list[Channel]:
    """The channels that are set up; none is connected to yet. Raises SettingsFaulty, which names the variable."""
    found = [*_mail(settings), *_log_file(settings), *_webhook(settings), *_services(settings)]
    names = [channel.name for channel in found]
    for variable, wanted in (("DETAIL_CHANNELS", settings.detail_channels), ("URGENT_ONLY", settings.urgent_only)):
        for name in wanted:
            if name not in names:
                known = ", ".join(names) or "none at all"
                raise SettingsFaulty(f"PATHWAY_{variable}: no channel {name!r} is set up; there is {known}")
    return found


def open_site(settings: Settings) -> Site:
    """The hours and the measure of the site; raises SettingsFaulty, which names the variable."""
    try:
        return Site(
            zone=settings.zone,
            quiet_from=settings.quiet_from,
            quiet_until=settings.quiet_until,
            workdays=read_workdays(settings.workdays),
            days_off=read_holidays(settings.holidays),
            daily_cap=settings.daily_cap,
            urgent_only=frozenset(settings.urgent_only),
            patient_messages=settings.patient_messages,
            patient_weekly_cap=settings.patient_weekly_cap,
            service_phone=settings.service_phone,
        )
    except SiteFaulty as error:
        raise SettingsFaulty(f"PATHWAY_WORKDAYS, PATHWAY_HOLIDAYS: {error}") from error


def open_rhythm(settings: Settings) -> Rhythm:
    return Rhythm(
        settle_seconds=settings.settle_seconds,
        deliver_seconds=settings.deliver_seconds,
        digest_time=settings.digest_time,
        nightly_time=settings.nightly_time,
        zone=settings.zone,
        batch=settings.batch,
        event_detail=settings.event_detail,
        site=open_site(settings),
        words=load_words(settings.templates),
    )


def _mail(settings: Settings) -> Iterator[Channel]:
    if settings.smtp_host:
        yield Smtp(
            host=settings.smtp_host,
            port=settings.smtp_port,
            security=settings.smtp_security,
            user=settings.smtp_user,
            password=settings.smtp_password,
            sender=settings.smtp_from,
        )


def _log_file(settings: Settings) -> Iterator[Channel]:
    if settings.outbox_log is not None:
        yield LogFile(settings.outbox_log)


def _webhook(settings: Settings) -> Iterator[Channel]:
    if not settings.webhook_url:
        return
    if not settings.webhook_secret:
        raise SettingsFaulty("PATHWAY_WEBHOOK_SECRET: missing; PATHWAY_WEBHOOK_URL is called only with a signature")
    try:
        yield Webhook(settings.webhook_url, settings.webhook_secret, detail="webhook" in settings.detail_channels)
    except ValueError as error:
        raise SettingsFaulty(f"PATHWAY_WEBHOOK_URL: {error}") from error


def _services(settings: Settings) -> Iterator[Channel]:
    for name, url in settings.apprise.items():
        if not re.fullmatch(CHANNEL_NAME, name):
            # It is not repeated: a name that is none may be a URL with its token.
            raise SettingsFaulty("PATHWAY_APPRISE: a channel's name is one short word such as ward, before its URL")
        if name in OURS:
            raise SettingsFaulty(f"PATHWAY_APPRISE: channel {name!r} is the name of another channel; choose a new one")
        try:
            yield AppriseUrl(name, url, detail=name in settings.detail_channels)
        except ValueError as error:
            raise SettingsFaulty(f"PATHWAY_APPRISE: channel {name!r}: {error}") from error
