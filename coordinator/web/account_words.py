"""What was done about an account, in words; the rows keep short English names for it."""

from typing import Any

from coordinator.web.access import ROLES
from coordinator.web.text import _


def account_change_words(change: Any) -> str:
    """One row of account_change as the end of a sentence that begins with the account."""
    known = {
        "account made": _("account made, role %(role)s", role=role_title(change.became)),
        "role": _("role from %(was)s to %(became)s", was=role_title(change.was), became=role_title(change.became)),
        "account closed": _("account closed"),
        "account opened again": _("account opened again"),
        "password reset": _("one-time password made"),
        "password changed": _("own password changed"),
        "token made": _("token of a program made: %(what)s", what=change.became),
        "token revoked": _("token of a program revoked: %(what)s", what=change.was),
        "hospital sign-in bound": _("hospital account bound"),
    }
    return known.get(change.what, change.what)


def roles_in_words() -> list[tuple[str, str]]:
    return [(role.id, role_title(role.id)) for role in ROLES.values()]


def role_title(role: str) -> str:
    return ROLES[role].title if role in ROLES else role
