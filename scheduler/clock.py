"""The one place in the project that reads a clock; everybody else is given the instant."""

from datetime import UTC, datetime


def utcnow() -> datetime:
    return datetime.now(UTC)
