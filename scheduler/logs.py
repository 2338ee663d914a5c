"""Log lines for people or for machines, in which no patient occurs.

What is written into a line is decided here, not where it is logged: the words of our own source, numbers and times,
and the named fields below. A text put into a message is left out, for it may be a key, a name or an address; an
exception is its type and the place in the code, because its words may repeat the data that it stumbled over. Other
people's libraries say what they like, so of theirs only the place is kept, save those named below.
"""

import logging
import sys
import threading
import traceback
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Literal, TextIO

from structlog.dev import ConsoleRenderer
from structlog.processors import JSONRenderer, TimeStamper
from structlog.stdlib import ProcessorFormatter, add_log_level, add_logger_name
from structlog.typing import EventDict, Processor

from pathway.errors import PathwayError

Format = Literal["text", "json"]

# May be given as `extra={"channel": ...}`: texts that come from the settings or from our source, never from data.
FIELDS = ("address", "channel", "job", "signal", "worker")
OURS = ("pathway", "persistence", "scheduler", "coordinator")
# They speak of jobs by the names of our functions, and our jobs carry no data.
TRUSTED = ("apscheduler", "procrastinate")
LEFT_OUT = "[left out]"
WITHHELD = "words of a library, left out because they may name a person"
# Instants, but no dates: one may be a birthday.
NUMBERS = (int, float, datetime, timedelta, type(None))
# The innermost calls; above them stands only who called whom in the library.
DEEPEST = 12

log = logging.getLogger(__name__)


def set_up_logs(form: Format, stream: TextIO | None = None) -> None:
    """From now on every log line of this process goes to `stream` (standard error) and only there, cleaned.

    So does what nobody caught, and so do warnings.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(form))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for floor in OURS:
        logging.getLogger(floor).setLevel(logging.INFO)
    # The library would print a line that it cannot write, with all that was in it.
    logging.raiseExceptions = False
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def _formatter(form: Format) -> logging.Formatter:
    render: Processor = JSONRenderer(ensure_ascii=False) if form == "json" else ConsoleRenderer(colors=False)
    before: tuple[Processor, ...] = (
        add_log_level,
        add_logger_name,
        TimeStamper(fmt="iso", utc=True),
        _only_safe_words,
        _only_the_place,
    )
    shown = (ProcessorFormatter.remove_processors_meta, render)
    return ProcessorFormatter(foreign_pre_chain=before, processors=shown, use_get_message=False, pass_foreign_args=True)


# ---------------------------------------------------------------- what a line may say


def _only_safe_words(_logger: Any, _level: str, line: EventDict) -> EventDict:
    record, args = line["_record"], line.pop("positional_args", ())
    source = record.name.partition(".")[0]
    if source in OURS:
        line["event"] = _filled(record.msg, _cleaned(args, keep=NUMBERS))
        line.update({name: getattr(record, name) for name in FIELDS if hasattr(record, name)})
        return line
    told = _filled(record.msg, _cleaned(args, keep=(object,))) if source in TRUSTED else WITHHELD
    line["event"] = WITHHELD if _repeats(told, line.get("exc_info")) else told
    line["place"] = f"{record.module}:{record.lineno}"
    return line


def _repeats(told: str, raised: Any) -> bool:
    """Whether a message holds the words of the exception that it comes with."""
    causes = _causes(raised[1] if raised else None)
    return any(words in told for cause in causes for words in (str(cause), repr(cause)) if words)


def _filled(template: Any, args: Any) -> str:
    """The template with its values; alone, where they do not fit it."""
    try:
        return str(template) % args if args else str(template)
    except (TypeError, ValueError, KeyError):
        return str(template)


def _cleaned(args: Any, *, keep: tuple[type, ...]) -> Any:
    if isinstance(args, Mapping):
        return {name: _clean(value, keep) for name, value in args.items()}
    return tuple(_clean(value, keep) for value in args or ())


def _clean(value: Any, keep: tuple[type, ...]) -> Any:
    if isinstance(value, BaseException):
        return _kinds(value)
    return value if isinstance(value, keep) else LEFT_OUT


def _kind(error: BaseException) -> str:
    """The type; for one of ours its sentence as well, which stands in our source and holds no data."""
    if not isinstance(error, PathwayError):
        return type(error).__name__
    return f"{type(error).__name__}: {' '.join((type(error).__doc__ or '').split())}"


# ---------------------------------------------------------------- exceptions


def _only_the_place(_logger: Any, _level: str, line: EventDict) -> EventDict:
    """An exception as the types of it and of what led to it, and where in the code each was raised."""
    _type, error, _trace = line.pop("exc_info", None) or (None, None, None)
    line.pop("stack_info", None)
    if error is not None:
        line["error"] = _kinds(error)
        line["trace"] = [place for cause in _causes(error) for place in _places(cause)]
    return line


def _kinds(error: BaseException) -> str:
    return " <- ".join(map(_kind, _causes(error)))


def _causes(error: BaseException | None) -> list[BaseException]:
    """The error and what led to it, innermost last."""
    found: list[BaseException] = []
    while error is not None and not any(error is known for known in found):
        found.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def _places(error: BaseException) -> list[str]:
    walked = list(traceback.walk_tb(error.__traceback__))[-DEEPEST:]
    return [f"{frame.f_globals.get('__name__')}:{number} {frame.f_code.co_name}" for frame, number in walked]


# ---------------------------------------------------------------- what nobody caught


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        log.critical("nobody caught this", exc_info=(kind, error, trace))


def _uncaught_in_thread(found: threading.ExceptHookArgs) -> None:
    if found.exc_value is not None and not isinstance(found.exc_value, SystemExit):
        _uncaught(found.exc_type, found.exc_value, found.exc_traceback)
