"""Names of people: as a banner shows them, and in the one spelling by which they are searched and sorted."""

import unicodedata


def full_name(surname: str, given: str) -> str:
    """SURNAME, Given: as a banner shows it; Not known rather than a blank."""
    if not surname:
        return given or "Not known"
    return f"{surname.upper()}, {given}" if given else surname.upper()


def name_key(name: str) -> str:
    """A shown name without case, accents and apostrophes, a space before each word.

    So a part of a name begins with what is typed where the key contains it after a space. The surname ends with a
    tab, which sorts before a space: Smith stands before Smith-Jones.
    """
    bare = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    words = "".join(_letter(c) for c in bare).split()
    return "".join(f" {word}" for word in words).replace(",", "\t")


def _letter(character: str) -> str:
    if character.isalnum() or character == ",":
        return character
    return "" if character in "'’`" else " "
