"""The one place in the project that reads a clock; everybody else is given the instant."""

import time
from datetime import UTC, datetime, timedelta


def utcnow() -> datetime:
    return datetime.now(UTC)


def uptime() -> timedelta:
    """Time that has truly passed since some fixed moment, sleep included; no setting of the clock changes it."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return timedelta(seconds=time.clock_gettime(clock))
