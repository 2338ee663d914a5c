"""A guideline is checked before anyone is enrolled: every fault at once, each by name and place."""

import shutil
import tomllib
from pathlib import Path

import pytest
import yaml

from pathway.checking import faults, load_guideline
from pathway.errors import GuidelineFaulty, UnknownProfile
from pathway.guideline import VCF, flattened, read_guideline
from tests.journeys.people import GUIDELINE, PROFILES

SCENARIOS = Path(__file__).parents[1] / "data" / "scenarios.yaml"
TRUNCATED = {"S0-12", "S0-24", "S4-06", "S4-15", "S4-24", "S4-26", "S4-28"}


class Draft:
    """A copy of the guideline on somebody's desk, to be spoilt."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(VCF, folder)

    def change(self, name: str, old: str, new: str) -> "Draft":
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{name} does not say {old!r}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return self

    def add(self, name: str, text: str) -> "Draft":
        path = self.folder / name
        path.write_text(f"{path.read_text(encoding='utf-8')}\n{text}\n", encoding="utf-8")
        return self

    @property
    def faults(self) -> list[str]:
        with pytest.raises(GuidelineFaulty) as refused:
            load_guideline(self.folder)
        return [str(detail) for detail in refused.value.details]


@pytest.fixture
def draft(tmp_path) -> Draft:
    return Draft(tmp_path / "vcf")


STATE = """
[[state]]
id = "{name}"
title = "{name}"
means = "Nobody knows."
phase = "care"
rank = 30
worklist = "{worklist}"
tasks = ["K-START"]
"""
TRANSITION = """
[[transition]]
id = "{id}"
title = "Made up"
trigger = "{trigger}"
from = ["{source}"]
to = "{to}"
guards = []
actor = "clinician"
actions = []
cites = ["S1-22"]
"""


def test_several_faults_are_told_at_once_by_name(draft):
    draft.change("pathway.toml", 'to = "SURVEILLANCE"', 'to = "SURVAILLANCE"')
    draft.change("pathway.toml", '"neuro_examined", "neuro_clear"', '"neuro_guessed", "neuro_clear"')
    draft.change("pathway.toml", 'cites = ["S1-22", "S2-27", "S3-64"]', 'cites = ["S0-12"]')
    draft.change("pathway.toml", 'cites = ["S1-23", "S1-24"]', "cites = []")
    draft.add("pathway.toml", STATE.format(name="LIMBO", worklist="limbo"))
    draft.change("profiles/seed-s0.toml", 'value = "early_indication"', 'value = "sometimes"')
    assert draft.faults == [
        "transition TR-02 (start_conservative): names unknown guard 'neuro_guessed'",
        "transition TR-14 (resolved): leads to unknown state 'SURVAILLANCE'",
        "state LIMBO: no transition leads to it",
        "transition TR-05 (REASSESS): cites S0-12, a heading from which nothing may be inferred",
        "transition TR-07 (IMAGING_8W): cites no source",
        "profile seed-s0, parameter rf.deformity: 'sometimes' is not one of immediate, early_indication, "
        "delayed, review",
    ]


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("pathway.toml", 'from = ["IMAGING_REVIEW"]', 'from = ["IMAGING"]', "leaves unknown state 'IMAGING'"),
        ("pathway.toml", '"ask_acknowledgement"', '"ask_later"', "unknown action 'ask_later'"),
        ("pathway.toml", 'actor = "system"', 'actor = "robot"', "unknown actor 'robot'"),
        ("pathway.toml", 'cites = ["S1-46"]', 'cites = ["S9-99"]', "cites S9-99, which is in no sources file"),
        ("pathway.toml", 'cites = ["S1-46"]', 'cites = ["S1-21"]', "cites S1-21, a heading"),
        ("pathway.toml", 'anchor = "onset"', 'anchor = "sunset"', "unknown anchor 'sunset'"),
        ("pathway.toml", 'parameter = "failure_after"', 'parameter = "failure"', "no profile parameter 'failure'"),
        ("pathway.toml", 'REASSESSMENT = "purpose"', 'REASSESS = "purpose"', "unknown state 'REASSESS'"),
        ("pathway.toml", 'REASSESSMENT = "decision"', 'REASSESSMENT = "guess"', "unknown effect 'guess'"),
        ("pathway.toml", 'IMAGING_REVIEW = "decision"', 'IMAGING_REVIEW = "move"', "no transition of IMAGING"),
        ("pathway.toml", 'tasks = ["K-START"]', 'tasks = ["K-BEGIN"]', "unknown task 'K-BEGIN'"),
        ("pathway.toml", 'worklist = "care"', 'worklist = ""', "on no worklist"),
        ("pathway.toml", 'parameter = "rf.cord"', 'parameter = "rf.chord"', "no profile parameter 'rf.chord'"),
        ("pathway.toml", "repeat_days = 1\nopened", "opened", "an overdue one would fall silent"),
        ("recommendations.toml", 'predicate = "r_signs"', 'predicate = "r_omen"', "unknown predicate 'r_omen'"),
        ("profiles/seed-s3.toml", 'value = "blocked"', 'value = "forbidden"', "'forbidden' is not one of"),
        ("profiles/seed-s0.toml", "value = { days = 21 }", "value = 21", "is not of the kind of"),
        (
            "profiles/default.toml",
            "value = 28\n",
            'value = "28"\n',
            "is not of the kind of",
        ),
    ],
)
def test_a_slip_of_the_pen_is_found_and_named(draft, name, old, new, told):
    assert any(told in fault for fault in draft.change(name, old, new).faults)


def test_two_rules_that_could_both_move_one_episode_are_found(draft):
    draft.add(
        "pathway.toml", TRANSITION.format(id="TR-99", trigger="REASSESS", source="CONSERVATIVE_CARE", to="SURVEILLANCE")
    )
    assert draft.faults == ["transition TR-99 (REASSESS): TR-05 always moves CONSERVATIVE_CARE before it"]


def test_a_state_in_which_a_patient_would_be_lost_is_found(draft):
    lost = STATE.format(name="LIMBO", worklist="").replace('tasks = ["K-START"]', "tasks = []")
    draft.add("pathway.toml", lost)
    assert [fault for fault in draft.faults if "lost" in fault] == [
        "state LIMBO: not an end and on no worklist, so a patient there would be lost",
        "state LIMBO: not an end and has neither timer nor task, so a patient there would be lost",
    ]


def test_two_states_that_lead_only_to_each_other_are_found(draft):
    for name in ("HITHER", "THITHER"):
        draft.add("pathway.toml", STATE.format(name=name, worklist="limbo"))
    draft.add("pathway.toml", TRANSITION.format(id="TR-98", trigger="go", source="HITHER", to="THITHER"))
    draft.add("pathway.toml", TRANSITION.format(id="TR-99", trigger="come", source="THITHER", to="HITHER"))
    assert len(draft.faults) == 2


@pytest.mark.parametrize(
    ("name", "old", "again"),
    [
        ("pathway.toml", 'id = "REASSESSMENT"', 'id = "CONSERVATIVE_CARE"'),
        ("pathway.toml", 'code = "K-DXA"', 'code = "K-OPRX"'),
        ("pathway.toml", 'code = "IMAGING_8W"', 'code = "REASSESS"'),
        ("recommendations.toml", 'id = "R-BRACE"', 'id = "R-OPIOID"'),
        ("sources.toml", 'id = "S1-22"', 'id = "S1-23"'),
    ],
)
def test_what_is_defined_twice_is_refused_by_name(draft, name, old, again):
    faults = draft.change(name, old, again).faults
    name = again.split('"')[1]
    assert any(f"{name} is defined twice" in fault for fault in faults)


def test_a_duplicate_does_not_hide_the_other_faults(draft):
    draft.change("pathway.toml", 'code = "K-DXA"', 'code = "K-OPRX"')
    draft.change("pathway.toml", 'cites = ["S1-46"]', 'cites = ["S9-99"]')
    assert len(draft.faults) > 1


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("pathway.toml", '[guideline]\nid = "vcf"', "[guideline", "TOMLDecodeError"),
        ("pathway.toml", 'version = "1"\n', "", "KeyError: 'version'"),
        ("pathway.toml", 'phase = "assess"\n', "", "phase"),
        ("pathway.toml", "mandated = true", "mandatory = true", "mandatory"),
    ],
)
def test_a_file_of_the_wrong_form_is_refused(draft, name, old, new, told):
    assert told in str(draft.change(name, old, new).faults)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(GuidelineFaulty, match=r"pathway\.toml"):
        load_guideline(tmp_path / "nowhere")


# ---------------------------------------------------------------- the guideline as delivered


def test_the_guideline_has_no_fault():
    assert faults(read_guideline(VCF)) == []


def test_the_profiles_are_the_default_and_one_for_each_seed():
    assert PROFILES == ("default", "seed-s0", "seed-s1", "seed-s2", "seed-s3", "seed-s4")


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_gives_every_parameter_a_value_and_claims_no_sign_off(name):
    profile = GUIDELINE.profile(name)
    assert profile.values.keys() == GUIDELINE.profile("default").values.keys()
    assert profile.sign_off == ""
    assert all(parameter.cites or parameter.engineering for parameter in profile.parameters.values())


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_says_what_the_specification_says(name):
    head = yaml.safe_load(
        SCENARIOS.read_text(encoding="utf-8").split("\nscenarios:\n")[0].replace(": 08:00", ": '08:00'")
    )
    expected = flattened(head["profile_defaults"]) | flattened(head["profile_overrides"][name])
    found = GUIDELINE.profile(name)
    plain = {key: list(found[key]) if isinstance(found[key], tuple) else found[key] for key in expected}
    assert plain == expected


def test_an_unknown_profile_or_parameter_is_refused_by_name():
    with pytest.raises(UnknownProfile, match="seed-s9"):
        GUIDELINE.profile("seed-s9")
    with pytest.raises(UnknownProfile, match=r"rf\.chord"):
        GUIDELINE.profile("default").overridden({"rf": {"chord": "immediate"}})


def test_an_overridden_profile_shows_it_in_its_name():
    found = GUIDELINE.profile("default").overridden({"calcitonin": {"stop_anchor": "start"}, "severe_nrs": 8})
    assert found.id == "default+calcitonin.stop_anchor=start,severe_nrs=8"
    assert (found["severe_nrs"], found["mild_nrs"]) == (8, 3)


def cited() -> list[tuple[str, str]]:
    ruled = [*GUIDELINE.transitions, *GUIDELINE.timers.values(), *GUIDELINE.tasks.values()]
    ruled += [*GUIDELINE.red_flags.values(), *GUIDELINE.recommendations.values(), *GUIDELINE.states.values()]
    ruled += [p for profile in GUIDELINE.profiles.values() for p in profile.parameters.values()]
    return [(getattr(rule, "id", getattr(rule, "code", "")), cite) for rule in ruled for cite in rule.cites]


def test_every_citation_resolves_to_a_line_from_which_something_may_be_inferred():
    unresolved = [(rule, cite) for rule, cite in cited() if cite not in GUIDELINE.sources]
    assert not unresolved
    assert not [(rule, cite) for rule, cite in cited() if not GUIDELINE.sources[cite].citable]
    assert not {cite for _, cite in cited()} & TRUNCATED


def test_the_seven_cut_off_lines_are_marked():
    assert {source.id for source in GUIDELINE.sources.values() if source.truncated} == TRUNCATED


def test_every_recommendation_cites_a_source():
    assert all(rule.cites for rule in GUIDELINE.recommendations.values())


def test_the_guideline_says_that_no_clinician_has_reviewed_it():
    head = tomllib.loads((VCF / "pathway.toml").read_text(encoding="utf-8"))["guideline"]
    assert head["clinical_review"] == ""
    assert "does not replace clinical judgement" in GUIDELINE.disclaimer
