"""The composition root: from settings to a store, channels and the guideline, in one place."""

from coordinator.settings import Settings
from pathway.checking import load_guideline
from pathway.engine import Engine
from pathway.errors import GuidelineFaulty
from persistence.database import Database
from persistence.store import Store
from scheduler.channels import Channel
from scheduler.channels.logfile import LogFile
from scheduler.channels.smtp import Smtp


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
    """The channels that are set up: mail when a host is named, a log file when one is."""
    channels: list[Channel] = []
    if settings.smtp_host:
        channels.append(
            Smtp(
                host=settings.smtp_host,
                port=settings.smtp_port,
                security=settings.smtp_security,
                user=settings.smtp_user,
                password=settings.smtp_password,
                sender=settings.smtp_from,
            )
        )
    if settings.outbox_log is not None:
        channels.append(LogFile(settings.outbox_log))
    return channels
