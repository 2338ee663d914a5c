"""The headers of a write: which version the caller saw, and the key under which it may be repeated."""

import re
from typing import Annotated

from fastapi import Header

from coordinator.api.problems import Problem

LARGEST_VERSION = 2**31 - 1

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description='The ETag of the episode as it was read, such as "12". Required: without it 428; if a person has '
        "saved since, or the patient has moved, 412 with who saved what",
        examples=['"12"'],
    ),
]
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=128,
        pattern=r"^[!-~]+$",
        description="A new one for each new request. The same key with the same request gets the same answer and "
        "writes once, also at the same time; with another request 422. Kept for 30 days",
        examples=["2f1c9a52-6a0e-4c57-9a39-0b3f0c1f7a11"],
    ),
]


def etag(version: int) -> str:
    return f'"{version}"'


def version_seen(if_match: str | None) -> int:
    """The version that If-Match names; raises Problem (428 where it is missing, 422 where it is none of ours)."""
    if if_match is None or not if_match.strip():
        detail = 'Send If-Match with the ETag of the episode that you read, such as "12". Nothing was saved.'
        raise Problem("condition-missing", detail)
    found = re.fullmatch(r'"(\d{1,10})"', if_match.strip())
    if found is None or int(found[1]) > LARGEST_VERSION:
        raise Problem("malformed", 'header.If-Match: expected one ETag of ours, such as "12". Nothing was saved.')
    return int(found[1])
