"""The house rules that a machine can check: floors, one clock, names, sizes, and what the files may say.

Each rule is a function that lists its offenders, and a test that wants the list empty. Rules about "only this
module" compare the whole set, so they fail as well when that module is gone and nothing is left to check.
"""

import ast
import io
import os
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

MAY_IMPORT = {
    "pathway": {"pathway"},
    "persistence": {"persistence", "pathway"},
    "scheduler": {"scheduler", "persistence", "pathway"},
    "coordinator": {"coordinator", "scheduler", "persistence", "pathway"},
}
FLOORS = tuple(MAY_IMPORT)
NOT_IN_THE_CORE = {"sqlmodel", "sqlalchemy", "alembic", "apscheduler", "typer", "rich", "fastapi", "jinja2", "httpx"}

CLOCKS = {
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "time.time",
    "time.time_ns",
    "time.localtime",
    "time.gmtime",
    "time.ctime",
}
EMPTY_NAMES = re.compile(r"_?(util|helper|common|manager|service)s?")
LONGEST_FUNCTION = 60
LONGEST_FILE = 400

SUPPRESSION = re.compile(
    r"#\s*(?:(?:ruff|flake8)\s*:\s*)?noqa\b(?:\s*:\s*[A-Z]+\d+(?:[,\s]+[A-Z]+\d+\b)*)?"
    r"|#\s*type:\s*ignore\b(?:\[[^\]]*\])?",
    re.IGNORECASE,
)
REASON = re.compile(r"[^\W\d_]{2,}\W+[^\W\d_]{2,}")

# What the tools leave behind; see .gitignore.
LEFT_BEHIND = re.compile(r"\.git|\.venv(-lock)?|\.hypothesis|\.\w+_cache|__pycache__|\w+\.egg-info")
BUILT = {ROOT / "build", ROOT / "dist"}
# Spelt in two halves, or this file would be the first offender.
OUTSIDE = b"../" + b"shared"


# What there is to check


@cache
def repository_files() -> tuple[Path, ...]:
    found = []
    for folder, inner, names in os.walk(ROOT):
        inner[:] = [n for n in inner if not LEFT_BEHIND.fullmatch(n) and Path(folder, n) not in BUILT]
        found += [Path(folder, n) for n in names]
    assert ROOT / "pyproject.toml" in found
    assert Path(__file__).resolve() in found
    return tuple(sorted(found))


def modules(*floors: str) -> list[Path]:
    found = [f for f in repository_files() if f.suffix == ".py" and f.relative_to(ROOT).parts[0] in floors]
    for floor in floors:
        assert ROOT / floor / "__init__.py" in found, f"{floor}/ is no package, so nothing in it was checked"
    return found


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def listed(offenders: list[str]) -> str:
    return "\n" + "\n".join(f"  {offender}" for offender in offenders)


# Reading a module


def imports(module: ast.AST) -> Iterator[tuple[int, str]]:
    """Each import from outside the module's own package, wherever it stands: (line, top-level name)."""
    for node in ast.walk(module):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield node.lineno, alias.name.split(".")[0]
            case ast.ImportFrom(module=str(source), level=0):
                yield node.lineno, source.split(".")[0]
            case ast.Call(func=function, args=[ast.Constant(value=str(source)), *_]):
                if ast.unparse(function) in {"__import__", "import_module", "importlib.import_module"}:
                    yield node.lineno, source.split(".")[0]


def real_names(module: ast.AST) -> dict[str, str]:
    """What each imported name stands for: `from datetime import date as d` gives d: datetime.date."""
    known = {}
    for node in ast.walk(module):
        match node:
            case ast.Import(names=names):
                known |= {alias.asname: alias.name for alias in names if alias.asname}
            case ast.ImportFrom(module=str(source), names=names):
                known |= {alias.asname or alias.name: f"{source}.{alias.name}" for alias in names}
    return known


def clock_reads(module: ast.AST) -> Iterator[tuple[int, str]]:
    """Each mention of a clock, called or not: a default_factory=datetime.now reads it just as well."""
    known = real_names(module)
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute | ast.Name):
            first, *rest = ast.unparse(node).split(".")
            dotted = ".".join([known.get(first, first), *rest]).split(".")
            if ".".join(dotted[-2:]) in CLOCKS:
                yield node.lineno, ast.unparse(node)


def functions(module: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


def bare_suppressions(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        silenced = token.type == tokenize.COMMENT and SUPPRESSION.search(token.string)
        if silenced and not REASON.search(SUPPRESSION.sub("", token.string)):
            yield token.start[0], token.string


# The floors


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_holds_more_than_its_door(floor):
    assert [f for f in modules(floor) if f.name != "__init__.py"], f"{floor}/ is empty"


@pytest.mark.parametrize("floor", FLOORS)
def test_imports_go_downstairs_only(floor):
    upstairs = {*FLOORS, "tests"} - MAY_IMPORT[floor]
    offenders = [
        f"{name(f)}:{line} imports {source}"
        for f in modules(floor)
        for line, source in imports(tree(f))
        if source in upstairs
    ]
    assert not offenders, listed(offenders)


def test_the_core_knows_no_database_scheduler_or_screen():
    offenders = [
        f"{name(f)}:{line} imports {source}"
        for f in modules("pathway")
        for line, source in imports(tree(f))
        if source in NOT_IN_THE_CORE
    ]
    assert not offenders, listed(offenders)


def test_only_the_machine_imports_transitions():
    importers = {name(f) for f in modules(*FLOORS) for _, source in imports(tree(f)) if source == "transitions"}
    assert importers == {"pathway/machine.py"}


def test_hl7_and_parquet_each_stay_behind_one_door():
    found = [(name(f), source) for f in modules(*FLOORS) for _, source in imports(tree(f))]
    assert {f for f, source in found if source == "hl7"} == {"coordinator/hl7/message.py"}
    assert {f for f, source in found if source == "pyarrow"} == {"coordinator/export/parquet_file.py"}


def test_only_one_module_reads_a_clock():
    reads = [(name(f), line, what) for f in modules(*FLOORS) for line, what in clock_reads(tree(f))]
    offenders = [f"{file}:{line} {what}" for file, line, what in reads if file != "scheduler/clock.py"]
    assert not offenders, listed(offenders)
    assert reads, "scheduler/clock.py reads no clock"


def test_nothing_but_tests_freezes_time():
    ours = [f for f in repository_files() if f.suffix == ".py" and f.relative_to(ROOT).parts[0] != "tests"]
    assert set(modules(*FLOORS)) <= set(ours)
    offenders = [f"{name(f)}:{line}" for f in ours for line, source in imports(tree(f)) if source == "freezegun"]
    assert not offenders, listed(offenders)


# Names and sizes


def test_modules_are_named_by_their_idea():
    offenders = [
        name(f)
        for f in modules(*FLOORS)
        if any(EMPTY_NAMES.fullmatch(part) for part in f.relative_to(ROOT).with_suffix("").parts)
    ]
    assert not offenders, listed(offenders)


def test_functions_fit_on_a_screen():
    measured = [(f, *function) for f in modules(*FLOORS) for function in functions(tree(f))]
    assert measured
    offenders = [f"{name(f)} {what}(): {n} lines" for f, what, n in measured if n > LONGEST_FUNCTION]
    assert not offenders, listed(offenders)


def test_files_hold_one_idea():
    measured = [(f, len(f.read_text(encoding="utf-8").splitlines())) for f in modules(*FLOORS)]
    offenders = [f"{name(f)}: {n} lines" for f, n in measured if n > LONGEST_FILE]
    assert not offenders, listed(offenders)


# What the files may say


def test_whoever_silences_a_check_says_why():
    offenders = [
        f"{name(f)}:{line} {comment}"
        for f in repository_files()
        if f.suffix == ".py"
        for line, comment in bare_suppressions(f.read_text(encoding="utf-8"))
    ]
    assert not offenders, listed(offenders)


def test_no_file_points_outside_the_repository():
    offenders = [name(f) for f in repository_files() if f.is_file() and OUTSIDE in f.read_bytes()]
    assert not offenders, listed(offenders)


def test_the_lock_has_hashes_and_no_addresses():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    offenders = re.findall(r"^.*(?:https?:|://|--\w*-?index|--find-links|file:| @ ).*$", lock, re.MULTILINE)
    assert not offenders, listed(offenders)

    pins = re.findall(r"^[a-z0-9].*?(?<!\\)$", lock, re.MULTILINE | re.DOTALL)
    assert pins
    unhashed = [pin for pin in pins if not re.match(r"\S+==\S+[^\n]*\\\n\s+--hash=sha256:[0-9a-f]{64}\b", pin)]
    assert not unhashed, listed(unhashed)


# The rules themselves: each sees what it is meant to see


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("import scheduler.clock", ["scheduler"]),
        ("import os, persistence as p", ["os", "persistence"]),
        ("def late():\n    from coordinator import cli", ["coordinator"]),
        ("if TYPE_CHECKING:\n    from sqlmodel.orm import session", ["sqlmodel"]),
        ("importlib.import_module('rich.table')", ["rich"]),
        ("from . import clock\nfrom .clock import utcnow", []),
        ("text = 'import scheduler'", []),
    ],
)
def test_the_rule_sees_imports(source, seen):
    assert [found for _, found in imports(ast.parse(source))] == seen


@pytest.mark.parametrize(
    "source",
    [
        "from datetime import datetime\ndatetime.now(UTC)",
        "from datetime import datetime as moment\nmoment.utcnow()",
        "import datetime\ndatetime.datetime.today()",
        "import datetime as dt\ndt.date.today()",
        "import time\ntime.time()",
        "from time import time as stamp\nstamp()",
        "from datetime import datetime\nField(default_factory=datetime.now)",
    ],
)
def test_the_rule_sees_clocks(source):
    assert [line for line, _ in clock_reads(ast.parse(source))] == [2]


@pytest.mark.parametrize(
    "source",
    [
        "from datetime import time\ntime(8, 0)",
        "from datetime import datetime\ndatetime.combine(day, eight, zone)",
        "import time\ntime.perf_counter()",
        "def settle(episode, now):\n    return now",
    ],
)
def test_the_rule_leaves_given_times_alone(source):
    assert not list(clock_reads(ast.parse(source)))


def test_the_rule_measures_functions():
    source = "class A:\n    @property\n    def b(self):\n        return 1\n\nasync def c():\n    pass\n"
    assert sorted(functions(ast.parse(source))) == [("b", 2), ("c", 2)]


@pytest.mark.parametrize(
    ("comment", "bare"),
    [
        ("# noqa", True),
        ("# noqa: E501", True),
        ("# noqa: E501, PLR2004", True),
        ("# ruff: noqa: F401", True),
        ("# type: ignore", True),
        ("# type: ignore[arg-type]  # noqa: E501", True),
        ("# noqa: E501 the citation must stay on one line", False),
        ("# type: ignore[arg-type]  # the library's stub is wrong", False),
        ("# ignored on purpose", False),
    ],
)
def test_the_rule_sees_silenced_checks(comment, bare):
    assert bool(list(bare_suppressions(f"x = 1  {comment}\n"))) is bare
