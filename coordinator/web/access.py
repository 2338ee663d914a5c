"""Who may do what: one table, asked by every page and every call alike.

What a step needs of its author (a coordinator or a clinician) stands in the guideline, and the engine asks for it.
This table says which doors a role may open at all, and as whom the engine sees it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from coordinator.web.text import _, marked


class May(StrEnum):
    """What a door asks for. The value is what a refusal says: "a coordinator may not …"."""

    OWN_ACCOUNT = "use an account"
    SEE_WORK = "see the work"
    SEE_PATIENTS = "see patients"
    RECORD = "record anything about patients"
    ASSIGN = "hand patients over"
    SEE_MESSAGES = "see the messages"
    LOOK_AHEAD = "look ahead"
    SEE_COUNTS = "see the counts of the cohort"
    SEE_RULES = "see the rules"
    SEE_HEALTH = "see how the machinery stands"
    AUDIT = "read the journals"
    MANAGE_ACCOUNTS = "manage accounts"
    CONNECT = "connect other systems"


@dataclass(frozen=True, slots=True)
class Role:
    """`acts_as`: the role in which the engine records what they do; None: they record nothing."""

    id: str
    word: str
    home: str
    may: frozenset[May]
    acts_as: str | None = None

    @property
    def title(self) -> str:
        return _(self.word)


_EVERYBODY = {May.OWN_ACCOUNT, May.SEE_RULES, May.SEE_HEALTH}
_CARE = {
    *_EVERYBODY,
    May.SEE_WORK,
    May.SEE_PATIENTS,
    May.RECORD,
    May.ASSIGN,
    May.SEE_MESSAGES,
    May.LOOK_AHEAD,
    May.SEE_COUNTS,
}

ROLES: Mapping[str, Role] = {
    role.id: role
    for role in (
        Role("coordinator", marked("Coordinator"), "/", frozenset(_CARE), acts_as="coordinator"),
        Role("clinician", marked("Clinician"), "/", frozenset(_CARE), acts_as="clinician"),
        Role("lead", marked("Lead"), "/cohort", frozenset({*_CARE, May.AUDIT, May.CONNECT}), acts_as="coordinator"),
        Role(
            "auditor",
            marked("Auditor"),
            "/audit",
            frozenset({*_EVERYBODY, May.SEE_PATIENTS, May.SEE_MESSAGES, May.SEE_COUNTS, May.AUDIT}),
        ),
        Role(
            "administrator",
            marked("Administrator"),
            "/accounts",
            frozenset({*_EVERYBODY, May.MANAGE_ACCOUNTS, May.CONNECT}),
        ),
    )
}


def refusal(role: str, permission: May) -> str | None:
    """Why that role may not, in one sentence; None where it may."""
    known = ROLES.get(role)
    if known is None:
        return f"Nobody has the role {role!r}; an administrator must name one of {', '.join(ROLES)}."
    if permission in known.may:
        return None
    others = [other.title.lower() for other in ROLES.values() if permission in other.may]
    return f"The role {known.title.lower()} may not {permission.value}; it needs {' or '.join(others)}."
