"""Ways to tell a person something. A channel is one file here; docs/channels.md lists what it owes."""

import hmac
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from pathway.errors import PathwayError

# What a recipient is: a mail address, a telephone number, or the channel's own room, told once for everybody.
Reach = Literal["email", "phone", "room"]


@dataclass(frozen=True, slots=True)
class Message:
    """What is said, and to which outbox row it belongs. `at` is the aware UTC instant of the sending.

    Subject and brief travel in the open, so they hold neither a person nor a finding. `body` is plain text and
    `html` the same in HTML, where there is one. `key` names a patient and never leaves the house: `reference` may,
    keyed by the `salt` of the database.
    """

    key: str
    subject: str
    body: str
    at: datetime
    html: str = ""
    brief: str = ""
    salt: str = field(default="", repr=False)

    @property
    def reference(self) -> str:
        """Stands for the key outside the house: the same for the same row; only who has the salt can read it."""
        return self._keyed(self.key)[:20]

    def id_for(self, recipient: str) -> str:
        """The same for the same key and recipient, so that a repeated sending is recognisable as one."""
        return self._keyed(f"{self.key}\x1f{recipient}")[:40]

    def _keyed(self, text: str) -> str:
        return hmac.digest(self.salt.encode(), text.encode(), "sha256").hex()


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
