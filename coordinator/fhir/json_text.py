"""A JSON document read piece by piece: one value at a time, never the whole of it."""

import codecs
import json
from collections.abc import Callable
from typing import Any, NoReturn

FIRST_PIECE = 1 << 16
# No single resource of a real export comes near this.
LONGEST_VALUE = 64 << 20
SPACE = " \t\r\n"


class NotJson(ValueError):
    """The text is no JSON; the words say where and why."""


class CutOff(NotJson):
    """The text ends in the middle of a value."""


def _no_number(name: str) -> NoReturn:
    raise NotJson(f"{name} is no number in JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_number)


def parsed_line(data: bytes) -> Any:
    """The one value of a line of NDJSON; raises NotJson."""
    try:
        return _DECODER.decode(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise NotJson("the text is not UTF-8") from None
    except RecursionError:
        raise NotJson("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise NotJson(f"{error.msg} at character {error.colno}") from None
    except NotJson:
        raise
    except ValueError:
        raise NotJson("it holds a number of absurd length") from None


class Window:
    """The part of a text that is being looked at; what has been used is let go."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._decode = codecs.getincrementaldecoder("utf-8-sig")()
        self._text, self._at, self._ended = "", 0, False
        self._used = 1

    @property
    def line(self) -> int:
        return self._used + self._text.count("\n", 0, self._at)

    def peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in SPACE:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def take(self, expected: str) -> None:
        found = self.peek()
        if found == "":
            raise CutOff("it ends before it is complete")
        if found != expected:
            raise NotJson(f"{found!r} stands where {expected!r} belongs")
        self._at += 1

    def value(self) -> Any:
        """The next value, whole; reads on until it is complete."""
        if self.peek() == "":
            raise CutOff("it ends before it is complete")
        while True:
            try:
                found, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                self._go_on(error)
                continue
            except RecursionError:
                raise NotJson("it is nested too deeply") from None
            except NotJson:
                raise
            except ValueError:
                raise NotJson("it holds a number of absurd length") from None
            # A number may go on in the next piece.
            if end == len(self._text) and not isinstance(found, dict | list | str) and self._more():
                continue
            self._at = end
            self._let_go()
            return found

    def _go_on(self, error: json.JSONDecodeError) -> None:
        near_the_end = error.pos >= len(self._text) - 16 or error.msg.startswith("Unterminated string")
        if not near_the_end:
            raise NotJson(f"{error.msg}, line {self._used + error.lineno - 1}") from None
        if len(self._text) - self._at > LONGEST_VALUE:
            raise NotJson(f"one value is longer than {LONGEST_VALUE >> 20} MB") from None
        if not self._more():
            raise CutOff("it ends in the middle of a value") from None

    def _more(self) -> bool:
        if self._ended:
            return False
        self._let_go()
        # As much again as there is, so that a long value is tried few times.
        data = self._read(max(FIRST_PIECE, len(self._text)))
        try:
            self._text += self._decode.decode(data, final=not data)
        except UnicodeDecodeError:
            raise NotJson("the text is not UTF-8") from None
        self._ended = not data
        return bool(data)

    def _let_go(self) -> None:
        if self._at > FIRST_PIECE or self._at == len(self._text):
            self._used += self._text.count("\n", 0, self._at)
            self._text, self._at = self._text[self._at :], 0
