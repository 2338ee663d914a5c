"""The HTML that a letter may hold: text, tables and inline styles that every mail program shows, and nothing else.

No pictures, no links, no scripts, nothing hidden: a letter must not fetch anything and says what its plain text says.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser

TAG = re.compile("p|h1|h2|h3|table|thead|tbody|tr|th|td|ul|ol|li|div|span|strong|b|em|i|small|br|hr")
WITHOUT_END = ("br", "hr")
WITHIN_A_LINE = ("span", "strong", "b", "em", "i", "small")
ATTRIBUTE = re.compile("style|role|align|valign|width|border|cellpadding|cellspacing|colspan|rowspan|lang")
STYLE = re.compile(
    "font-(family|size|weight|style)|line-height|color|background-color|text-align|vertical-align|white-space"
    "|(max-)?width|border-collapse|(margin|padding|border)(-(top|bottom|left|right))?"
)
# No colon, slash or bracket: nothing in it can name an address.
HARMLESS = re.compile(r"[\w\s#.,%!'-]*")


@dataclass(frozen=True, slots=True)
class Html:
    """What a reader sees of it, and every fault, one sentence each."""

    text: str
    faults: tuple[str, ...]


def read_html(source: str) -> Html:
    reader = _Reader()
    reader.feed(source)
    reader.close()
    unclosed = (f"<{tag}> is never closed" for tag in reader.unclosed)
    return Html("".join(reader.seen), (*reader.faults, *unclosed))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.faults: list[str] = []
        self.unclosed: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not TAG.fullmatch(tag):
            self.faults.append(f"the tag <{tag}> is not allowed; allowed are {TAG.pattern.replace('|', ', ')}")
        if tag not in WITHOUT_END:
            self.unclosed.append(tag)
        self._part(tag)
        for name, value in attrs:
            self.faults += _attribute_faults(name, value or "")

    def _part(self, tag: str) -> None:
        """Two cells or paragraphs are not one word."""
        if tag not in WITHIN_A_LINE:
            self.seen.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._part(tag)
        if self.unclosed and self.unclosed[-1] == tag:
            self.unclosed.pop()
        elif tag not in WITHOUT_END:
            self.faults.append(f"</{tag}> closes nothing that is open there")

    def handle_data(self, data: str) -> None:
        self.seen.append(data)

    def handle_comment(self, data: str) -> None:
        self.faults.append("a comment in HTML is not allowed; write {# … #}, which is never sent")

    def handle_decl(self, decl: str) -> None:
        self.faults.append("the page around the content is built in; begin with a heading or a paragraph")

    def handle_pi(self, data: str) -> None:
        self.faults.append("a processing instruction is not allowed")

    def unknown_decl(self, data: str) -> None:
        self.faults.append("a marked section is not allowed")


def _attribute_faults(name: str, value: str) -> Iterator[str]:
    if not ATTRIBUTE.fullmatch(name):
        yield f"the attribute {name} is not allowed; allowed are {ATTRIBUTE.pattern.replace('|', ', ')}"
    elif name == "style":
        for declaration in filter(str.strip, value.split(";")):
            style, _, said = declaration.partition(":")
            if not STYLE.fullmatch(style.strip()) or not HARMLESS.fullmatch(said):
                yield f"the style {declaration.strip()!r} is not allowed"
    elif not HARMLESS.fullmatch(value):
        yield f"the attribute {name}={value!r} is not allowed"
