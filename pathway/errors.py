"""Everything that can go wrong, one tree. A class's docstring is its message."""

from pathway.journal import Entry


class PathwayError(Exception):
    """Something went wrong in the pathway engine."""

    def __init__(self, *details: object) -> None:
        self.details = details
        super().__init__(*details)

    def __str__(self) -> str:
        message = " ".join((type(self).__doc__ or "").split()).rstrip(".")
        extra = "; ".join(str(detail) for detail in self.details)
        return f"{message}: {extra}" if extra else f"{message}."


class UnknownZone(PathwayError):
    """This is not the name of a time zone in the IANA list; expected one such as Europe/London."""


class NaiveTime(PathwayError):
    """A time without a zone was given; expected an aware time, nothing was saved."""


class GuidelineFaulty(PathwayError):
    """The guideline cannot be used."""


class UnknownProfile(PathwayError):
    """There is no guideline profile of that name."""


class UnknownStep(PathwayError):
    """This is not something the engine can record."""


class ScenarioFaulty(PathwayError):
    """The scenario file does not fit the schema; nothing was run."""


class StoreError(PathwayError):
    """The store could not do what was asked."""


class Outrun(StoreError):
    """Somebody else changed this episode first, nothing was saved; look again before acting."""


class Overtaken(StoreError):
    """This record has changed since you looked at it, so nothing was saved."""

    def __init__(self, *details: object, entries: tuple[Entry, ...] = ()) -> None:
        """`entries`: the journal lines that came first, oldest first."""
        super().__init__(*details)
        self.entries = entries


class NoSuchPatient(StoreError):
    """There is no patient with that identifier."""


class StoreNotReady(StoreError):
    """The database is not ready for this version; run `pathway init` first."""


class ClockWentBack(StoreError):
    """The machine's clock is behind the last recorded work, so nothing was done; set the clock right."""


class ClockAhead(StoreError):
    """The machine's clock is ahead of the database's, so nothing was done: nothing may fire early; set it right."""


class ClockJumped(StoreError):
    """The machine's clock jumped forward while the program ran; set it right, or start again to confirm it."""


class AlreadyRunning(StoreError):
    """Another `pathway run` already works on this database; only one may."""


class JournalBroken(StoreError):
    """A journal does not replay to what is stored."""
