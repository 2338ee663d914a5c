"""Chat rooms, SMS gateways and some hundred services more: one Apprise URL is one channel.

Apprise calls over `requests`, so here REQUESTS_CA_BUNDLE names whom TLS trusts, and HTTPS_PROXY the way out.
"""

import logging
import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from apprise import Apprise, AppriseAsset, AppriseResult, AppriseResultStatus, NotifyBase, NotifyFormat

from scheduler.channels import ChannelDown, ChannelError, Message, Reach

PERSONAL: dict[str, Reach] = {"{phone}": "phone", "{email}": "email"}
# Only what is plainly one number or one address goes into a URL: a comma or a slash there could add a recipient.
ONE_OF = {"phone": r"\+?[0-9]{4,15}", "email": r"[^\s,;:/%<>@]+@[^\s,;:/%<>@]+"}
BETWEEN_DIGITS = str.maketrans("", "", " .-()/")
SAMPLES = {"phone": "+15005550006", "email": "somebody@example.org", "room": ""}
# Answers to a service's request that concern this message or this recipient, and not the account.
OF_ONE_MESSAGE = (400, 410, 413, 422)
LONGEST_ANSWER = 300

# What apprise logs may name an address or a token. It reaches us with the result, where both are taken out.
logging.getLogger("apprise").propagate = False


@dataclass(frozen=True, slots=True)
class AppriseUrl:
    """`url` may hold {phone} or {email} and is then for one person at a time; otherwise it is a room.

    `timeout` is in seconds, for the whole sending. Raises ValueError, in one sentence without the URL, for one
    that apprise does not know or that would tell several places at once.
    """

    name: str
    url: str = field(repr=False)
    detail: bool = False
    timeout: float = 10.0

    def __post_init__(self) -> None:
        marks = re.findall(r"\{[^}]*\}?|\}", self.url)
        if len(marks) > 1 or not PERSONAL.keys() >= set(marks):
            raise ValueError("in braces a URL may hold {phone} or {email}, one of them and once; found something else")
        service = _service(self._url_for(SAMPLES[self.reach]))
        if service is None:
            raise ValueError("apprise does not know this URL; expected one as in its documentation")
        if len(service) > 1:
            raise ValueError("the URL names several recipients; expected one, so that a repetition reaches no other")
        if self.reach != "room" and not len(service):
            raise ValueError(f"the URL has {{{self.reach}}} where this service takes no recipient")

    @property
    def reach(self) -> Reach:
        return next((reach for mark, reach in PERSONAL.items() if mark in self.url), "room")

    def send(self, message: Message, recipient: str) -> bool:
        url = self._url_for(self._one(recipient))
        service = _service(url)
        if service is None or (self.reach != "room" and not len(service)):
            raise ChannelError(f"the service takes no such {self.reach} recipient", permanent=self.reach != "room")
        result = self._notified(service, message)
        # Not bool(result): with ?optional=yes in the URL that is true for what failed as well.
        if not any(attempt for tried in result for attempt in tried):
            raise self._trouble(service, result, url)
        return False

    def _one(self, recipient: str) -> str:
        """The recipient as it goes into the URL; nothing of it does where the URL is a room."""
        if self.reach == "room":
            return ""
        found = recipient.translate(BETWEEN_DIGITS) if self.reach == "phone" else recipient.strip()
        if not re.fullmatch(ONE_OF[self.reach], found):
            raise ChannelError(f"not one {self.reach} recipient", permanent=True)
        return found

    def _url_for(self, recipient: str) -> str:
        url = self.url
        for mark in PERSONAL:
            url = url.replace(mark, quote(recipient, safe=""))
        return url

    def _notified(self, service: NotifyBase, message: Message) -> AppriseResult:
        said = message.body if self.detail else message.brief
        title, body = (message.subject, said) if said else ("", message.subject)
        one = Apprise(asset=service.asset)
        one.add(service)
        return one.notify(body, title=title, body_format=NotifyFormat.TEXT, timeout=self.timeout)

    def _trouble(self, service: NotifyBase, result: AppriseResult, url: str) -> ChannelError:
        said = "; ".join(" ".join(entry.message.split()) for entry in result.logs()) or "no reason was given"
        codes = [int(code) for code in re.findall(r"error=(\d{3})\b", said)]
        because = _without(url, f"{service.service_name}: {said}")[:LONGEST_ANSWER]
        unreached = result.status == AppriseResultStatus.TIMEOUT or "connection error" in said.lower()
        if codes and codes[-1] in OF_ONE_MESSAGE:
            return ChannelError(because)
        # Without a number a room refuses everybody's messages, a telephone perhaps only this person's.
        return ChannelDown(because) if unreached or codes or self.reach == "room" else ChannelError(because)


def _service(url: str) -> NotifyBase | None:
    """A service of its own for each sending: two threads share nothing, and nothing is kept on disk."""
    asset = AppriseAsset(
        app_id="Pathway",
        app_desc="Pathway",
        image_url_mask="",
        http_redirects=False,
        storage_mode="memory",
    )
    service = Apprise.instantiate(url, asset=asset)
    if service is not None:
        # Trying again is the outbox's business; and apprise counts its own tries as recipients.
        service.retry = 0
    return service


def _without(url: str, text: str) -> str:
    """The text without what stands in the URL: which part of that is a token differs from service to service."""
    told = url.partition("://")[2]
    pieces = {piece for form in (told, unquote(told)) for piece in re.split(r"[:/@?&=,;#+]+", form)}
    for piece in sorted(pieces, key=len, reverse=True):
        # Shorter ones are words such as "to" and would only make the text unreadable.
        text = text.replace(piece, "…") if len(piece) >= 4 else text
    return text
