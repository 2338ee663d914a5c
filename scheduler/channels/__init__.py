"""Ways to tell a person something. A channel is one file here that fits the Protocol; nothing else changes."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pathway.errors import PathwayError


@dataclass(frozen=True, slots=True)
class Message:
    """What is said, and to which outbox row it belongs. `at` is the aware UTC instant of the sending.

    The subject travels in the open, so it holds neither a person nor a finding.
    """

    key: str
    subject: str
    body: str
    at: datetime

    def id_for(self, recipient: str) -> str:
        """The same for the same key and recipient, so that a repeated sending is recognisable as one."""
        return hashlib.sha256(f"{self.key}\x1f{recipient}".encode()).hexdigest()[:40]


class ChannelError(PathwayError):
    """A message could not be handed over."""

    def __init__(self, because: str, *, permanent: bool = False) -> None:
        self.because, self.permanent = because, permanent
        super().__init__(because)


class ChannelDown(ChannelError):
    """A channel cannot be used at the moment."""


class Channel(Protocol):
    @property
    def name(self) -> str: ...

    def send(self, message: Message, recipient: str) -> None:
        """Returns once the message is taken over; raises ChannelError, or ChannelDown if none would be taken."""
