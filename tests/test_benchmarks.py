"""Every benchmark runs, as small as can be. What it measures is judged by people, never by a test."""

import subprocess
import sys
from pathlib import Path

import pytest

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


def test_every_workload_is_known():
    assert len(WORKLOADS) > 4
