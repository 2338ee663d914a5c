"""Commands that run scenario files against the real engine, store and scheduler, in virtual time."""

from contextlib import closing
from pathlib import Path
from typing import Annotated
from xml.etree import ElementTree

import typer

from coordinator.cli.application import app, session
from coordinator.cli.output import errors, fail, say, show_json
from coordinator.scenario_runner import IN_MEMORY, Stage, run_all, stage, trace_all
from pathway.checking import load_guideline
from pathway.errors import ScenarioFaulty
from pathway.guideline import Guideline
from pathway.scenario import Scenario, read_scenarios
from pathway.scenario_checks import Failure

scenario_app = typer.Typer(no_args_is_help=True, help="Run and trace scenario files.", rich_markup_mode=None)
app.add_typer(scenario_app, name="scenario")

FilesArgument = Annotated[list[Path], typer.Argument(help="Scenario files (YAML).")]
OnlyOption = Annotated[str | None, typer.Option("--only", help="Ids, separated by commas.")]


@scenario_app.command()
def run(
    files: FilesArgument,
    only: OnlyOption = None,
    tag: Annotated[str | None, typer.Option("--tag", help="Only scenarios with this tag.")] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Write the results as JUnit XML.")] = None,
) -> None:
    """Run every scenario; one line each, exit code 0 only when all passed.

    Example: pathway scenario run examples/scenarios.yaml --only SC-001,SC-002
    """
    guideline = load_guideline()
    chosen = _chosen(files, only, tag, guideline)
    results = []
    with _on_stage(guideline) as found:
        for scenario, failures in run_all(found, chosen):
            say(f"{'FAIL' if failures else 'ok'} {scenario.id} {scenario.title}")
            for failure in failures:
                say(f"    expected {failure.expectation} at {failure.at}; found {failure.found}")
            results.append((scenario, failures))
    failed = sum(bool(failures) for _, failures in results)
    say(f"{len(results) - failed} passed, {failed} failed")
    if junit is not None:
        junit.write_bytes(_junit(results))
    if failed:
        raise typer.Exit(1)


@scenario_app.command()
def trace(files: FilesArgument, only: OnlyOption = None) -> None:
    """Print the world after each step, one JSON object a line and nothing else.

    Example: pathway scenario trace examples/scenarios.yaml --only SC-001
    """
    guideline = load_guideline()
    chosen = _chosen(files, only, None, guideline)
    with _on_stage(guideline) as found:
        for picture in trace_all(found, chosen):
            show_json(picture)


def _on_stage(guideline: Guideline) -> closing[Stage]:
    """In memory unless --database names one: that of the settings holds people."""
    return closing(stage(guideline, session.database or IN_MEMORY))


def _chosen(files: list[Path], only: str | None, tag: str | None, guideline: Guideline) -> list[Scenario]:
    try:
        found = [scenario for path in files for scenario in read_scenarios(path, guideline)]
    except ScenarioFaulty as error:
        for detail in error.details:
            errors.print(str(detail), markup=False)
        fail("the scenario file does not fit the schema (see above); nothing was run.")
    wanted = set(only.split(",")) if only else None
    missing = (wanted or set()) - {scenario.id for scenario in found}
    if missing:
        fail(f"there is no scenario {', '.join(sorted(missing))} in these files; nothing was run.")
    return [s for s in found if (wanted is None or s.id in wanted) and (tag is None or tag in s.tags)]


def _junit(results: list[tuple[Scenario, list[Failure]]]) -> bytes:
    failed = sum(bool(failures) for _, failures in results)
    suite = ElementTree.Element("testsuite", name="scenarios", tests=str(len(results)), failures=str(failed))
    for scenario, failures in results:
        case = ElementTree.SubElement(suite, "testcase", classname="scenario", name=f"{scenario.id} {scenario.title}")
        for failure in failures:
            text = f"expected {failure.expectation} at {failure.at}; found {failure.found}"
            ElementTree.SubElement(case, "failure", message=text)
    return bytes(ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True))
