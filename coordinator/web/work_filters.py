"""The filters of the worklist as an address says them, and the address that says them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from coordinator.web.text import _
from coordinator.web.typed import page_number
from pathway.guideline import Guideline
from persistence.work_page import SIZES, TABS, View

SIZE = 50
NOBODY = "-"
ROLES_OF_WORK = ("coordinator", "clinician")


@dataclass(frozen=True, slots=True)
class Filters:
    """One list of work. Everything is in the address, so every list can be a bookmark and be shared.

    `state`: a state, or a sub-state as STATE.sub; `owner`: a name, "-" for nobody's. `odd`: what the address asked
    for and nothing here understands, in sentences.
    """

    due: str = "now"
    state: str = ""
    owner: str = ""
    role: str = ""
    red: bool = False
    q: str = ""
    size: int = SIZE
    page: int = 1
    odd: tuple[str, ...] = ()

    @property
    def view(self) -> View:
        state, _dot, sub = self.state.partition(".")
        owners = ("" if self.owner == NOBODY else self.owner,) if self.owner else ()
        return View(self.due, state or None, sub or None, owners, self.role or None, self.red, self.q)

    @property
    def narrowed(self) -> bool:
        return bool(self.state or self.owner or self.role or self.red or self.q)

    def address(self, **changes: Any) -> str:
        """Where that list is, from its first page unless another is asked for."""
        return f"/?{urlencode(replace(self, **{'page': 1, **changes}).fields())}"

    def fields(self) -> dict[str, Any]:
        """The filters as a query has them. `due` is said even where it is the usual list: the bare address stands
        for the list that a role begins with."""
        said = {name: getattr(self, name) for name in _SAID if getattr(self, name) != _SAID[name]}
        return {"due": self.due, **{name: "1" if value is True else value for name, value in said.items()}}

    def file(self, kind: str) -> str:
        """Where a file of that kind with the whole list is."""
        return f"/export/worklist.{kind}?{urlencode(replace(self, page=1).fields())}"

    def query(self, **changes: Any) -> str:
        return self.address(**changes)

    def words(self, guideline: Guideline) -> str:
        """The filters in words, as a printed list says them."""
        found = []
        if self.state:
            state, _dot, sub = self.state.partition(".")
            found.append(guideline.states[state].shown(sub or None))
        if self.owner:
            found.append(_("assigned to nobody") if self.owner == NOBODY else _("assigned to %(who)s", who=self.owner))
        if self.role:
            found.append(_("work of the %(role)s", role=self.role))
        if self.red:
            found.append(_("red flags only"))
        if self.q:
            found.append(_("patients who fit “%(q)s”", q=self.q))
        return ", ".join(found)


_SAID: Mapping[str, Any] = {"state": "", "owner": "", "role": "", "red": False, "q": "", "size": SIZE, "page": 1}


def filters_of(asked: Mapping[str, str], guideline: Guideline) -> Filters:
    """What an address asks for; what is not understood is left out, and said."""
    odd: list[str] = []

    def among(name: str, allowed: Any, otherwise: str) -> str:
        value = asked.get(name, "").strip()
        if value and value not in allowed:
            odd.append(_("%(name)s “%(value)s” is not known here, so it was left out.", name=name, value=value))
        return value if value in allowed else otherwise

    due = among("due", TABS, "now")
    state = among("state", paths(guideline), "")
    role = among("role", ROLES_OF_WORK, "")
    size = among("size", [str(size) for size in SIZES], str(SIZE))
    page = asked.get("page", "")
    return Filters(
        due=due,
        state=state,
        owner=asked.get("owner", "").strip(),
        role=role,
        red=asked.get("red", "") == "1",
        q=asked.get("q", "").strip()[:200],
        size=int(size),
        page=page_number(page),
        odd=tuple(odd),
    )


def tab_words() -> dict[str, str]:
    return {
        "now": _("To do now"),
        "overdue": _("Overdue"),
        "today": _("Due today"),
        "week": _("Next 7 days"),
        "aside": _("Set aside"),
        "all": _("All open"),
    }


def paths(guideline: Guideline) -> dict[str, str]:
    """Every state and sub-state with its title; a closed episode may have work too, when a result comes late."""
    found = {}
    for state in sorted(guideline.states.values(), key=lambda state: state.rank):
        found[state.id] = state.title
        found |= {f"{state.id}.{sub}": state.shown(sub) for sub in state.subs}
    return found
