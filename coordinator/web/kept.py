"""What a form brought while the browser was locked: kept on the page, never on the server, until it is unlocked."""

import json
from dataclasses import dataclass

from starlette.datastructures import FormData

from coordinator.web.desk import local_path

LONGEST = 200_000


@dataclass(frozen=True, slots=True)
class Kept:
    """The address that a form was meant for, and its fields in their order. `lost`: what could not be kept."""

    path: str
    fields: tuple[tuple[str, str], ...]
    lost: tuple[str, ...] = ()

    def text(self) -> str:
        return json.dumps({"path": self.path, "fields": self.fields})


def kept_of(path: str, form: FormData) -> Kept:
    """Files and passwords are not kept: a page is no place for either."""
    fields, lost = [], []
    for name, value in form.multi_items():
        if isinstance(value, str) and "password" not in name:
            fields.append((name, value))
        else:
            lost.append(name)
    return Kept(local_path(path), tuple(fields), tuple(lost))


def read_kept(text: str) -> Kept | None:
    """What the lock page carried; None where it carried nothing, or nothing of ours."""
    if not text or len(text) > LONGEST:
        return None
    try:
        found = json.loads(text)
        path, fields = found["path"], [(str(name), str(value)) for name, value in found["fields"]]
    except (ValueError, KeyError, TypeError):
        return None
    if not isinstance(path, str) or local_path(path) != path:
        return None
    return Kept(path, tuple(fields))
