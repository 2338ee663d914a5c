"""The code that lets somebody make the very first account: printed once where the program was started."""

import secrets
from hashlib import sha256
from threading import Lock

LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
TRIES = 10


class FirstCode:
    """Only its hash is kept, for as long as this process lives; after ten wrong ones it opens nothing."""

    def __init__(self, code: str) -> None:
        self._hash, self._wrong, self._lock = _hashed(code), 0, Lock()

    @staticmethod
    def drawn() -> tuple[str, "FirstCode"]:
        """A new code, to be shown, and what knows it."""
        letters = "".join(secrets.choice(LETTERS) for _ in range(12))
        code = f"{letters[:4]}-{letters[4:8]}-{letters[8:]}"
        return code, FirstCode(code)

    @property
    def used_up(self) -> bool:
        return self._wrong >= TRIES

    def fits(self, typed: str) -> bool:
        with self._lock:
            if self.used_up:
                return False
            found = secrets.compare_digest(_hashed(typed), self._hash)
            self._wrong += not found
            return found


def _hashed(code: str) -> bytes:
    return sha256("".join(code.upper().replace("-", " ").split()).encode()).digest()
