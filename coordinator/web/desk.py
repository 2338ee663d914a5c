"""One request at its desk: who asks, in which role, at which instant; and how an answer is written."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from coordinator.web import showing
from coordinator.web.access import May, Role
from coordinator.web.house import House
from coordinator.web.said_once import said_before, said_now, say_next
from persistence.store import Store

# A client that wants one part of a page asks for it by name, under the same address.
FRAGMENT = "X-Fragment"


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody who is signed in. `name` is what journals and pages call them."""

    email: str
    name: str
    role: Role
    shortcuts: bool = True
    must_change: bool = False

    def may(self, permission: May) -> bool:
        return permission in self.role.may


@dataclass(slots=True)
class Desk:
    """The clock was read once: every line of the answer is about `now`."""

    request: Request
    house: House
    now: datetime
    me: Colleague
    notices: list[str] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return self.house.store

    @property
    def zone(self) -> str:
        return self.house.settings.zone

    @property
    def today(self) -> date:
        return showing.local(self.now, self.zone)

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """The whole page, or the block of it that was asked for by name."""
        found = self.house.templates.get_template(template)
        shown = {"desk": self, "me": self.me, "today": self.today, "zone": self.zone, **values}
        part = self.request.headers.get(FRAGMENT)
        if part and part in found.blocks:
            context = found.new_context(shown)
            return HTMLResponse("".join(found.blocks[part](context)), status, headers={"Vary": FRAGMENT})
        earlier = said_before(self.request)
        self.notices += earlier
        answer = HTMLResponse(found.render(shown), status, headers={"Vary": FRAGMENT})
        if earlier:
            said_now(answer)
        return answer

    def go(self, path: str, said: str = "") -> RedirectResponse:
        """After something was done: look at it by GET, so that a reload does nothing twice. `said`: there, once."""
        answer = RedirectResponse(local_path(path), 303)
        if said:
            say_next(answer, said, secure=self.house.secure)
        return answer

    def query(self, **changes: Any) -> str:
        """The address of this page with some of its query changed; None takes a part out."""
        kept = {k: v for k, v in self.request.query_params.items() if k not in changes}
        new = {k: str(v) for k, v in changes.items() if v is not None}
        url = self.request.url.replace(query="").include_query_params(**kept, **new)
        return f"{url.path}?{url.query}" if url.query else url.path


def local_path(path: str, otherwise: str = "/") -> str:
    """A path of this site, or `otherwise`: nobody is sent to another host by a link that was handed to them."""
    parts = urlsplit(path)
    within = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if within and not parts.scheme and not parts.netloc else otherwise
