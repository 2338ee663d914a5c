"""Ways to tell a person something. A channel is one file here; docs/channels.md lists what it owes."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from pathway.errors import PathwayError

# What a recipient is: a mail address, a telephone number, or the channel's own room, told once for everybody.
Reach = Literal["email", "phone", "room"]


@dataclass(frozen=True, slots=True)
class Message:
    """What is said, and to which outbox row it belongs. `at` is the aware UTC instant of the sending.

    Subject and brief travel in the open, so they hold neither a person nor a finding. `body` is plain text and
    `html` the same in HTML, where there is one. `key` names a patient and never leaves the house: `reference` may.
    """

    key: str
    subject: str
    body: str
    at: datetime
    html: str = ""
    brief: str = ""

    @property
    def reference(self) -> str:
        """Stands for the key outside the house: the same for the same row, and nothing can be read from it."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:20]

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

    @property
    def reach(self) -> Reach: ...

    def send(self, message: Message, recipient: str) -> bool:
        """Hand it over; True when the far end says that it has reached the person, False when it only took it.

        Raises ChannelError (this message; `permanent` when asking again is useless) or ChannelDown (any message).
        """
