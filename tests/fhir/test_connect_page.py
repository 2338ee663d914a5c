"""docs/connect.md promises a session: it is run as it stands there."""

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from coordinator.cli import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "connect.md").read_text(encoding="utf-8")


def session() -> list[list[str]]:
    (block,) = re.findall(r"^## FHIR R4 in\n[^`]*```sh\n(.*?)```", PAGE, flags=re.DOTALL | re.MULTILINE)
    return [shlex.split(part) for line in block.splitlines() for part in line.partition(" #")[0].split("&&")]


def test_from_an_export_to_a_worklist_in_a_dozen_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATHWAY_DATABASE", f"sqlite:///{tmp_path}/pathway.db")
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    outputs = []
    for words in session():
        assert words[0] == "pathway"
        outputs.append(answer(words[1:]))
    assert len(outputs) <= 13
    rehearsed, written, again = (said for words, said in zip(session(), outputs, strict=True) if "import" in words)
    assert "Would enrol MU-1001: L1" in rehearsed
    assert "2 enrolled, 0 followed already; 3 new candidates" in written
    assert "0 enrolled" in again
    assert "0 facts recorded" in again
    assert "MU-1001" in outputs[-3]
    assert outputs[-1] == "all 3 episodes agree\n"


def answer(words: list[str]) -> str:
    """Each candidate that a person is asked to name is the next of the likely ones."""
    if "ID" in words:
        ids = [row["id"] for row in json.loads(answer(["candidates", "--kind", "spine", "--json"])) if row["patient"]]
        known = [
            row["id"] for row in json.loads(answer(["candidates", "--json"])) if row["reasons"] == ["level unknown"]
        ]
        words = [(known or ids)[0] if word == "ID" else word for word in words]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, (words, result.output, result.exception)
    return result.stdout


def test_the_codes_on_the_page_are_in_the_table() -> None:
    table = (ROOT / "coordinator" / "data" / "fhir_codes.toml").read_text(encoding="utf-8")
    named = re.findall(r"\b(?:\d{5}-\d|\d{8})\b", PAGE)
    assert named
    assert [code for code in named if code not in table] == []
