"""The catalogue of everything that is marked for translation: `make text` writes it, a test holds it up to date."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import write_po

WEB = Path(__file__).resolve().parents[2] / "coordinator" / "web"
POT = WEB / "locale" / "pathway.pot"
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
# As house.py sets up the templates, so that both ask for the same messages.
OPTIONS = {"templates/**.html": {"newstyle_gettext": "true", "trim_blocks": "true", "lstrip_blocks": "true"}}
KEYWORDS = {"_": None, "marked": None, "gettext": None, "ngettext": (1, 2), "counted": (1, 2)}
# One date for ever: the file changes where its messages do, and only there.
MADE = datetime(2026, 1, 1, tzinfo=UTC)


def messages() -> Iterator[str | tuple[str, ...]]:
    for _file, _line, message, _comments, _context in extract_from_dir(WEB, METHODS, OPTIONS, KEYWORDS):
        yield message


def collected() -> str:
    """The catalogue as text: sorted, without places and dates."""
    found = Catalog(project="pathway", copyright_holder="the authors", msgid_bugs_address="", creation_date=MADE)
    found.header_comment = "# The English of the screens, collected by `make text`."
    for message in messages():
        found.add(message)
    written = BytesIO()
    write_po(written, found, no_location=True, sort_output=True, width=120)
    lines = written.getvalue().decode().splitlines(keepends=True)
    return "".join(line for line in lines if "Generated-By" not in line)


if __name__ == "__main__":
    sys.stdout.write(collected())
