"""The documentation may not say what is not so: each promise in it is tried."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from coordinator.cli import app
from coordinator.cli.application import all_loaded
from coordinator.commands_page import listed, page
from coordinator.scenario_runner import run_all, stage
from coordinator.settings import Settings
from pathway.checking import load_guideline
from pathway.scenario import read_scenarios

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def commands() -> list[tuple[str, str]]:
    def walk(command, name):
        inner = getattr(command, "commands", {})
        if not inner:
            yield name, command.help or ""
        for part, found in inner.items():
            yield from walk(found, f"{name} {part}")

    return [pair for name, command in all_loaded().items() for pair in walk(command, name)]


def test_the_commands_page_is_what_the_commands_say() -> None:
    assert (ROOT / "docs" / "commands.md").read_text(encoding="utf-8") == page(), "run `make docs`"


def test_a_command_is_found_without_loading_the_others() -> None:
    assert (ROOT / "coordinator" / "data" / "commands.json").read_text(encoding="utf-8") == listed(), "run `make docs`"
    told = "\n".join(
        (
            "import sys, coordinator.cli as c",
            "sys.argv = ['pathway', '--help']",
            "try: c.main()",
            "except SystemExit: print({'sqlalchemy', 'pydantic', 'fastapi', 'transitions'} & set(sys.modules))",
        )
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert "worklist" in done.stdout
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize(("name", "text"), commands(), ids=[name for name, _ in commands()])
def test_every_command_has_help_with_an_example(name: str, text: str) -> None:
    assert re.search(rf"Example: (PATHWAY_\S+ )?pathway {name}\b", text)


def test_every_setting_is_documented() -> None:
    documented = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert [name for name in Settings.model_fields if f"`PATHWAY_{name.upper()}`" not in documented] == []


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = [re.split(r"[<>=\[]", line)[0] for line in asked]
    reasons = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert [name for name in names if f"`{name}`" not in reasons] == []


def test_every_link_leads_somewhere() -> None:
    broken = [
        f"{page.name}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []


def test_the_readme_session_runs_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    session = "\n".join(blocks(README, "sh")[1:3])
    tried = 0
    for line in session.splitlines():
        for command in line.partition(" #")[0].split("&&"):
            words = shlex.split(command)
            if words[:1] == ["export"]:
                for setting in words[1:]:
                    monkeypatch.setenv(*setting.split("=", 1))
            if words[:1] != ["pathway"]:
                continue
            result = CliRunner().invoke(app, words[1:])
            # The example file holds faults on purpose, so its import ends with 2.
            assert result.exit_code == (2 if "import" in words else 0), (command, result.output, result.exception)
            tried += 1
    assert tried >= 10


def test_the_scenario_in_the_documentation_passes(tmp_path: Path) -> None:
    (text,) = blocks((ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8"), "yaml")
    file = tmp_path / "documented.yaml"
    file.write_text(text, encoding="utf-8")
    guideline = load_guideline()
    ((scenario, failures),) = run_all(stage(guideline), read_scenarios(file, guideline))
    assert scenario.id == "MY-001"
    assert failures == []


def test_the_profile_defaults_of_the_scenarios_are_those_of_the_guideline() -> None:
    document = yaml.safe_load((ROOT / "tests" / "data" / "scenarios.yaml").read_text(encoding="utf-8"))
    default = load_guideline().profile("default")
    stated = document["profile_defaults"]
    assert stated["reassess_due_days"] == default["reassess_due_days"]
    assert stated["rf"] == {name: default[f"rf.{name}"] for name in stated["rf"]}
    assert stated["failure_risk"] == {name: default[f"failure_risk.{name}"] for name in stated["failure_risk"]}


def test_the_picture_needs_nothing_from_another_host() -> None:
    picture = (ROOT / "docs" / "demo.svg").read_text(encoding="utf-8")
    assert re.findall(r"url\(|https?://(?!www\.w3\.org)", picture.replace("url(#", "")) == []
