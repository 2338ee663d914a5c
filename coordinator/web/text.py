"""The English sentences of the screens, and the door for other languages.

Sentences are marked where they stand, `_("…")` in Python and in templates; `make text` collects them all into
locale/pathway.pot. A translation is locale/LANGUAGE/LC_MESSAGES/pathway.mo, chosen by PATHWAY_LANGUAGE.
"""

import gettext
from pathlib import Path
from typing import Any

LOCALE = Path(__file__).parent / "locale"
DOMAIN = "pathway"

_current: gettext.NullTranslations = gettext.NullTranslations()


def translations() -> gettext.NullTranslations:
    return _current


def speak(language: str, folder: Path = LOCALE) -> None:
    """From now on in that language; English where it has no translation."""
    use(gettext.translation(DOMAIN, folder, [language], fallback=True))


def use(found: gettext.NullTranslations) -> None:
    global _current  # noqa: PLW0603 one process speaks one language
    _current = found


def _(message: str, **values: Any) -> str:
    """The sentence in the language of the site, with %(name)s filled in."""
    said = _current.gettext(message)
    return said % values if values else said


def marked(message: str) -> str:
    """The message itself, for what is written down before the language is known; `_` says it later."""
    return message


def counted(one: str, many: str, number: int, **values: Any) -> str:
    """The form for that number; %(num)s is the number itself."""
    return _current.ngettext(one, many, number) % {"num": number, **values}
