"""Every benchmark runs, as small as can be. What it measures is judged by people, never by a test."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlmodel import SQLModel

from benchmarks import peers

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
WORKLOADS = sorted(
    file.stem for file in (ROOT / "benchmarks").glob("*.py") if "def main()" in file.read_text(encoding="utf-8")
)


def results() -> dict[str, str]:
    return {file.name: file.read_text(encoding="utf-8") for file in RESULTS.iterdir()}


@pytest.mark.parametrize("workload", WORKLOADS)
def test_it_runs_and_leaves_the_figures_of_record_alone(workload):
    before = results()
    command = [sys.executable, "-m", f"benchmarks.{workload}", "--smoke"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) > 3
    assert results() == before
    if workload == "settle":
        assert unmentioned(done.stdout) == []


def unmentioned(printed: str) -> list[str]:
    """Ways that were neither measured nor said to be left out."""
    said = next((line for line in printed.splitlines() if line.startswith("left out, not installed: ")), "")
    missing = [package for package in peers.left_out() if package not in said]
    return [*missing, *(what for what in peers.ways() if what not in printed)]


def test_peers_that_are_not_installed_are_left_out(monkeypatch):
    monkeypatch.setattr(peers, "find_spec", lambda package: None)
    assert peers.ways() == peers.WAYS
    assert peers.left_out() == ["SpiffWorkflow", "dbos"]


def test_the_lock_of_the_benchmarks_has_hashes_and_no_addresses_and_pins_only_what_the_other_does_not():
    name = re.compile(r"^([a-z0-9.-]+)==", re.MULTILINE)
    lock = (ROOT / "benchmarks" / "requirements.lock").read_text(encoding="utf-8")
    pinned = name.findall(lock)
    assert {"dbos", "spiffworkflow"} <= set(pinned)
    assert not set(pinned) & set(name.findall((ROOT / "requirements.lock").read_text(encoding="utf-8")))
    assert not re.findall(r"https?:|://|--\w*-?index|--find-links|file:| @ ", lock)
    assert len(re.findall(r"^\S+==\S+[^\n]* \\\n\s+--hash=sha256:[0-9a-f]{64}\b", lock, re.MULTILINE)) == len(pinned)


def test_every_workload_is_known():
    assert len(WORKLOADS) > 4


def test_the_tables_of_the_peers_are_none_of_the_project_s():
    assert not set(peers.Toy.metadata.tables) & set(SQLModel.metadata.tables)
