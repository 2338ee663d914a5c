"""What is wrong with a template, found when it is loaded and not when the letter is due.

First its form: only placeholders that exist, in blocks that may hold them, and nothing but showing, asking and
looping. Nothing is compiled before that, because compiling computes what is constant. Then it is rendered with
made-up facts, full ones and bare ones: what must be readable must be there, and the HTML must be plain.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import jinja2
from jinja2 import meta, nodes

from scheduler.placeholders import KINDS, MOST_ITEMS, Kind, Placeholder, available, padded, without
from scheduler.plain_html import read_html
from scheduler.wording import BLOCKS, FILTERS, Template, WordsFaulty, sandbox

LOOP = ("index", "first", "last", "length")
NOT_ALLOWED = {
    nodes.Call: "a call",
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "import",
    nodes.Extends: "extends",
    nodes.Block: "block",
    nodes.Macro: "macro",
    nodes.CallBlock: "call",
    nodes.Assign: "set",
    nodes.AssignBlock: "set",
    nodes.Getitem: "an index in brackets",
    nodes.Test: "a test with `is`",
    nodes.BinExpr: "arithmetic",
    nodes.Scope: "with or autoescape",
}
# Something that would end a text, a tag or an attribute, if it were not escaped; and what real titles are like.
HOSTILE, USUAL = '<b title="x">&\'</b>', "of a length that titles have"
WHY_NOT = {"personal": "is personal", "clinical": "is clinical"}
SUBJECT_LENGTH, BRIEF_LENGTH, BRIEF_LINES = 200, 320, 2


def faults_in(template: Template) -> list[str]:
    """Every fault of the words, one sentence each; empty for a template that can be used."""
    found: list[str] = []
    for block in BLOCKS:
        faults = list(_form(template, block)) or list(_samples(template, block))
        found += [f"{template.place}: template {template.name!r}, {block}{fault}" for fault in dict.fromkeys(faults)]
    return found


# ---------------------------------------------------------------- the form


class Shape(NamedTuple):
    """What a name stands for while a template is read: a value, a list to loop over, or one record of it."""

    sort: str
    parts: tuple[str, ...] = ()


def _form(template: Template, block: str) -> Iterator[str]:
    may_use = available(template.kinds, block)
    try:
        tree = sandbox(block).parse(template.blocks[block])
        scope = {name: Shape("list" if p.is_list else "value", p.parts) for name, p in may_use.items()}
        refused = list(_statements(tree.body, scope))
        yield from refused
        if not refused:
            yield from _unknown(tree, template, block, may_use)
    except jinja2.TemplateSyntaxError as error:
        yield f", line {error.lineno}: {error.message}"
    except (RecursionError, MemoryError):
        yield ": it is nested too deeply"


def _unknown(tree: nodes.Template, template: Template, block: str, may_use: Mapping[str, Placeholder]) -> Iterator[str]:
    names = ", ".join(may_use)
    # The library counts `self`, its own handle on the template, as declared.
    itself = {"self"} & {node.name for node in tree.find_all(nodes.Name)}
    unknown = (meta.find_undeclared_variables(tree) | itself) - set(may_use)
    for name in sorted(unknown):
        line = next(node.lineno for node in tree.find_all(nodes.Name) if node.name == name)
        known = next((p for kind in template.kinds if (p := KINDS[kind].placeholders.get(name))), None)
        if known is None:
            yield f", line {line}: there is no placeholder {name!r}; available are {names}"
        elif name in available(template.kinds, "text"):
            yield f", line {line}: {name!r} {WHY_NOT[known.mark]} and may not stand here; available are {names}"
        else:
            yield f", line {line}: not each of {', '.join(template.kinds)} has {name!r}; available are {names}"


def _statements(found: Iterable[nodes.Node], scope: Mapping[str, Shape], *, looping: bool = False) -> Iterator[str]:
    for node in found:
        match node:
            case nodes.Output():
                for child in node.nodes:
                    yield from _expression(child, scope)
            case nodes.If():
                yield from _expression(node.test, scope, whole=True)
                yield from _statements([*node.body, *node.elif_, *node.else_], scope, looping=looping)
            case nodes.For():
                yield from _loop(node, scope, looping)
            case _:
                yield _refused(node)


def _loop(node: nodes.For, scope: Mapping[str, Shape], looping: bool) -> Iterator[str]:
    lists = ", ".join(name for name, shape in scope.items() if shape.sort == "list")
    if looping:
        yield f", line {node.lineno}: a loop inside a loop is not allowed"
    if node.test is not None or node.recursive:
        yield f", line {node.lineno}: a loop with `if` or `recursive` in its head is not allowed"
    target, over = node.target, node.iter
    if not (isinstance(target, nodes.Name) and isinstance(over, nodes.Name)) or _sort(over.name, scope) == "value":
        yield f", line {node.lineno}: a loop runs over one of {lists or 'nothing in this block'}"
        return
    # A list that is not known is named later, with what is available; its parts cannot be judged.
    parts = scope[over.name].parts if over.name in scope else ()
    record = Shape("record", parts) if parts else Shape("unknown")
    inner = {**scope, target.name: record, "loop": Shape("record", LOOP)}
    yield from _statements(node.body, inner, looping=True)
    yield from _statements(node.else_, scope, looping=looping)


def _expression(node: nodes.Node, scope: Mapping[str, Shape], *, whole: bool = False) -> Iterator[str]:
    """`whole`: a list as such may stand here, as it is asked whether it is empty or how long it is."""
    match node:
        case nodes.TemplateData() | nodes.Const():
            return
        case nodes.Name() if not whole and _sort(node.name, scope) in ("list", "record"):
            yield f", line {node.lineno}: {_how_to_show(node.name, scope)}"
        case nodes.Name():
            return
        case nodes.Getattr():
            yield from _attribute(node, scope)
        case nodes.Filter() if node.name not in FILTERS:
            yield f", line {node.lineno}: there is no filter {node.name!r} here; available are {', '.join(FILTERS)}"
        case nodes.Filter() if node.args or node.kwargs:
            yield f", line {node.lineno}: the filter {node.name!r} takes nothing in brackets here"
        case nodes.Filter(node=nodes.Expr() as inner):
            yield from _expression(inner, scope, whole=node.name == "length")
        case nodes.Not() | nodes.Compare() | nodes.Operand():
            for child in node.iter_child_nodes():
                yield from _expression(child, scope, whole=True)
        case nodes.And() | nodes.Or() | nodes.Concat():
            for child in node.iter_child_nodes():
                yield from _expression(child, scope, whole=whole)
        case nodes.CondExpr():
            yield from _expression(node.test, scope, whole=True)
            for shown in (node.expr1, node.expr2):
                yield from _expression(shown, scope, whole=whole) if shown else ()
        case _:
            yield _refused(node)


def _attribute(node: nodes.Getattr, scope: Mapping[str, Shape]) -> Iterator[str]:
    owner = node.node.name if isinstance(node.node, nodes.Name) else ""
    sort = _sort(owner, scope)
    if not owner or sort == "value":
        yield f", line {node.lineno}: there is no {owner}.{node.attr}; only a record of a loop has parts"
    elif sort == "list":
        yield f", line {node.lineno}: {_how_to_show(owner, scope)}"
    elif sort == "record" and node.attr not in scope[owner].parts:
        parts = ", ".join(scope[owner].parts)
        yield f", line {node.lineno}: there is no placeholder '{owner}.{node.attr}'; {owner} has {parts}"


def _sort(name: str, scope: Mapping[str, Shape]) -> str:
    return scope[name].sort if name in scope else "unknown"


def _how_to_show(name: str, scope: Mapping[str, Shape]) -> str:
    shape = scope[name]
    if shape.sort == "list":
        return f"{name!r} is a list; loop over it and show {', '.join(shape.parts)}"
    return f"{name!r} is a record; show one of its parts {', '.join(shape.parts)}"


def _refused(node: nodes.Node) -> str:
    what = next((said for sort, said in NOT_ALLOWED.items() if isinstance(node, sort)), type(node).__name__.lower())
    line = f", line {node.lineno}" if node.lineno else ""
    return f"{line}: {what} is not allowed; a template shows placeholders, asks with if, loops with for"


# ---------------------------------------------------------------- with made-up facts


def _samples(template: Template, block: str) -> Iterator[str]:
    for name in template.kinds:
        kind = KINDS[name]
        for facts in _made_up(kind):
            try:
                said = template.block(block, facts)
            except WordsFaulty as error:
                # Its own place and block stand in front already.
                yield ": " + str(error.details[0]).split(f", {block}: ", 1)[-1]
            except (SyntaxError, RecursionError, MemoryError):
                yield ": it is nested too deeply"
            else:
                yield from (f": {fault}" for fault in read_html(said).faults) if block == "html" else ()
                yield from _left_out(kind, block, said, facts)
        if block in ("subject", "brief"):
            yield from _too_long(block, template, kind)


def _made_up(kind: Kind) -> Iterator[dict[str, Any]]:
    """Many facts, full ones, and bare ones with each required fact in turn: an `if` may depend on any of them."""
    yield padded(kind, USUAL, MOST_ITEMS)
    few = padded(kind, HOSTILE, 2)
    yield few
    for required in dict.fromkeys(name.partition(".")[0] for name in kind.required):
        yield without(few, kind, but=required)


def _left_out(kind: Kind, block: str, said: str, facts: Mapping[str, Any]) -> Iterator[str]:
    if block not in kind.required_in:
        return
    readable = _plain(read_html(said).text if block == "html" else said)
    for required in kind.required:
        name, _, part = required.partition(".")
        values = {getattr(record, part) for record in facts[name]} if part else {facts[name]}
        if any(_plain(value) not in readable for value in values):
            yield f": {required!r} is left out; a message of kind {kind.name!r} must always show it"


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _too_long(block: str, template: Template, kind: Kind) -> Iterator[str]:
    said = template.block(block, kind.sample())
    longest = SUBJECT_LENGTH if block == "subject" else BRIEF_LENGTH
    if not said:
        yield ": it would be empty"
    if len(said) > longest:
        yield f": {len(said)} characters with made-up facts; at most {longest} are allowed"
    if len(said.splitlines()) > BRIEF_LINES:
        yield f": {len(said.splitlines())} lines; at most {BRIEF_LINES} are allowed"
