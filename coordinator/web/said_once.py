"""What the next page must say, after an answer that only points there: kept in the browser and shown once."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error

from fastapi import Request, Response

COOKIE = "pathway_said"
LONGEST, SECONDS = 300, 60


def say_next(answer: Response, said: str, *, secure: bool) -> None:
    """Never the name of a patient: a browser keeps it for a moment."""
    kept = urlsafe_b64encode(said[:LONGEST].encode()).decode()
    answer.set_cookie(COOKIE, kept, SECONDS, httponly=True, secure=secure, samesite="strict", path="/")


def said_before(request: Request) -> list[str]:
    try:
        said = urlsafe_b64decode(request.cookies.get(COOKIE, "").encode()).decode()
    except (Error, ValueError):
        return []
    return [said] if said else []


def said_now(answer: Response) -> None:
    """It was shown: the browser forgets it."""
    answer.delete_cookie(COOKIE, path="/")
