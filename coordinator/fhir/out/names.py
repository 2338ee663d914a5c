"""What our resources and definitions are called: the same at every export, and told from one another by the name.

An id is made of the patient's number and what the thing is called here, so that it can be read back. Our own
definitions and code systems have no host to stand on; R4 lets a URI be a UUID, so each is known by one that is made
of its name.
"""

import hashlib
import string
from functools import cache
from uuid import UUID, uuid5

# All our addresses come from this one; another one would make all of them new to whoever reads our exports.
OURS = UUID("dc5b362d-f84f-4bc4-bf88-d8376b30d420")
PLAIN = frozenset(string.ascii_letters + string.digits)
# An id has 64 characters at most, and the longest that follows a patient's number takes 40 of them.
LONGEST_NUMBER = 24


@cache
def address(kind: str, name: str) -> str:
    """The canonical URL of a definition or code system of ours."""
    return f"urn:uuid:{uuid5(OURS, f'canonical:{kind}/{name}')}"


def full_url(reference: str) -> str:
    """Where a resource stands in a Bundle, by its relative reference such as Task/P100.1.K-START.1."""
    return f"urn:uuid:{uuid5(OURS, reference)}"


def system(name: str) -> str:
    return address("CodeSystem", name)


def patient_id(number: str) -> str:
    """The number itself where it is letters and digits; other characters as - and two hexadecimal digits."""
    spelt = "".join(c if c in PLAIN else "".join(f"-{byte:02X}" for byte in c.encode()) for c in number)
    return spelt if len(spelt) <= LONGEST_NUMBER else f"--{hashlib.sha256(number.encode()).hexdigest()[:20]}"


def number_of(name: str) -> str | None:
    """The patient's number that an id begins with; None where the id is none of ours, or the number was too long."""
    first = name.partition(".")[0]
    if not first or first.startswith("--"):
        return None
    plain, *escaped = first.split("-")
    try:
        parts = [plain.encode(), *(bytes.fromhex(part[:2]) + part[2:].encode() for part in escaped)]
        found = b"".join(parts).decode()
    except ValueError:
        return None
    # No database keeps such a character, and PostgreSQL will not even be asked for it.
    return None if "\x00" in found else found


def is_too_long(name: str) -> bool:
    """Whether an id stands for a number that did not fit into it."""
    return name.startswith("--")


def episode_name(episode: str) -> str:
    """Of the id of an episode, which it keeps when its record is merged into another."""
    number, _, n = episode.rpartition("-")
    return f"{patient_id(number)}.{n}"


def message_name(episode: str, key: str) -> str:
    return f"{episode}.m{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def spelled(code: str) -> str:
    """A code as part of an id."""
    return "".join(c if c in PLAIN or c == "-" else "-" for c in code)
