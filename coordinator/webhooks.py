"""A new webhook: its address checked, its secret drawn."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pathway.errors import PathwayError
from persistence.webhooks import EVENTS
from scheduler.channels.webhook import check_address


class WebhookRefused(PathwayError):
    """No webhook was made."""


def new_webhook(url: str, events: Sequence[str], email: str, now: datetime) -> dict[str, Any]:
    """The row of a new webhook; raises WebhookRefused: an address that must not be called, an unknown event."""
    try:
        check_address(url)
    except ValueError as error:
        raise WebhookRefused(str(error)) from error
    unknown = [event for event in events if event not in EVENTS]
    if unknown:
        raise WebhookRefused(f"there is no event {unknown[0]!r}; expected {', '.join(EVENTS)}")
    return {
        "id": secrets.token_hex(6),
        "url": url,
        # Kept as it is, for it signs; whoever can read the database can read the patients as well.
        "secret": f"whsec_{secrets.token_urlsafe(32)}",
        "events": " ".join(dict.fromkeys(events)),
        "email": email,
        "created_at": now,
        "try_at": now,
    }
