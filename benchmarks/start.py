"""Cold starts of the command line and the server, against a bare Python that loads typer and rich."""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from statistics import median

from benchmarks.measure import show, write

BARE = [sys.executable, "-c", "import typer, rich"]
PATHWAY = [sys.executable, "-m", "coordinator"]
RUNS = 7


def processor(command: list[str], folder: str, runs: int) -> float:
    """Seconds of user and system time, the median of some runs after a first."""
    taken = []
    for _ in range(runs + 1):
        before = os.times()
        subprocess.run(command, cwd=folder, env=_environment(folder), check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        taken.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return median(taken[1:])


def _environment(folder: str) -> dict[str, str]:
    root = str(Path(__file__).parents[1])
    return {**os.environ, "PATHWAY_DATABASE": f"sqlite:///{folder}/start.db", "PYTHONPATH": root}


def server(folder: str) -> float:
    """Seconds on the wall until its first answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    begun = time.perf_counter()
    settings = {**_environment(folder), "PATHWAY_WEB_ADDRESS": f"127.0.0.1:{port}"}
    process = subprocess.Popen([*PATHWAY, "serve"], cwd=folder, env=settings, stdout=subprocess.DEVNULL)
    try:
        while not _answers(f"http://127.0.0.1:{port}/sign-in"):
            assert process.poll() is None, "the server did not start"
            time.sleep(0.01)
        return time.perf_counter() - begun
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--smoke", action="store_true", help="one run of each")
    smoke = arguments.parse_args().smoke
    runs = 1 if smoke else RUNS
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*PATHWAY, "init"], cwd=folder, env=_environment(folder), check=True, stdout=subprocess.DEVNULL)
        commands = {
            "python -c 'import typer, rich'": BARE,
            "pathway --help": [*PATHWAY, "--help"],
            "pathway worklist": [*PATHWAY, "worklist"],
        }
        seconds = {what: processor(command, folder, runs) for what, command in commands.items()}
        first_answer = server(folder)
    bare = next(iter(seconds.values()))
    rows = [(what, 1000 * taken, taken / bare) for what, taken in seconds.items()]
    show("Cold start, milliseconds of processor time", ("", "ms", "times bare"), rows)
    print(f"\npathway serve answers its first request after {first_answer:.1f} s.")
    write("start", {"workload": __doc__, "processor_seconds": seconds, "server_seconds": first_answer}, smoke=smoke)


if __name__ == "__main__":
    main()
