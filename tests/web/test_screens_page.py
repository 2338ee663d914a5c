"""docs/screens.md says of the screens what they are."""

import re
from pathlib import Path

from coordinator.web.access import ROLES, May

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "screens.md"


def table() -> str:
    """What each role may, from the one table that every door asks."""
    lines = ["| may | " + " | ".join(role.id for role in ROLES.values()) + " |", "|---|" + "---|" * len(ROLES)]
    for permission in May:
        cells = ("yes" if permission in role.may else "" for role in ROLES.values())
        lines.append(f"| {permission.value} | " + " | ".join(cells) + " |")
    acts = (role.acts_as or "nothing" for role in ROLES.values())
    lines.append("| records as | " + " | ".join(acts) + " |")
    return "\n".join(lines)


def test_the_page_says_what_each_role_may():
    assert table() in PAGE.read_text(encoding="utf-8"), table()


def test_every_picture_is_there_and_small_enough():
    named = re.findall(r"\]\((pictures/[\w-]+\.png)\)", PAGE.read_text(encoding="utf-8"))
    assert len(named) > 10
    assert [name for name in named if (PAGE.parent / name).stat().st_size >= 300_000] == []
