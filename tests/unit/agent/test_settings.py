"""Timeouts and periods: how they are given, and which contradictions are refused in words."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from wattline_agent.bands import Bands
from wattline_agent.config import Config
from wattline_agent.main import main
from wattline_agent.settings import DEFAULTS, BadSettings, Settings, changed, named
from wattline_agent.settings_given import given
from wattline_agent.settings_reference import reference


def test_the_defaults_contradict_nothing():
    assert DEFAULTS.problems() == ()


@pytest.mark.parametrize(
    ("file", "variable", "single", "want"),
    [
        pytest.param("", "", [], {}, id="nothing"),
        pytest.param("probe_seconds: 20", "", [], {"probe_seconds": 20.0}, id="a YAML file"),
        pytest.param('{"probe_seconds": 20}', "", [], {"probe_seconds": 20.0}, id="a JSON file"),
        pytest.param(
            "", '{"probe_seconds": 20}', [], {"probe_seconds": 20.0}, id="the variable of the chart"
        ),
        pytest.param("", "", ["probe_seconds=20"], {"probe_seconds": 20.0}, id="a single one"),
        pytest.param(
            "heat: {hold_celsius: 12}\n", "", [], {"heat.hold_celsius": 12.0}, id="a part as an object"
        ),
        pytest.param("", "", ["heat.hold_celsius=12"], {"heat.hold_celsius": 12.0}, id="a part with a dot"),
        pytest.param("", "", ["heat.predict=false"], {"heat.predict": False}, id="a switch"),
        pytest.param(
            "probe_seconds: 20",
            '{"probe_seconds": 30, "again_seconds": 6}',
            ["probe_seconds=40"],
            {"probe_seconds": 40.0, "again_seconds": 6.0},
            id="the more special one wins",
        ),
    ],
)
def test_settings_are_given(tmp_path, file, variable, single, want):
    path = tmp_path / "settings.yaml"
    path.write_text(file)

    found = named(given(path, variable, single))

    assert {name: value for name, value in found.items() if value != named(DEFAULTS)[name]} == want


@pytest.mark.parametrize(
    ("single", "words"),
    [
        pytest.param(
            ["probe_second=5"], "no setting is called probe_second; did you mean probe_seconds?", id="a slip"
        ),
        pytest.param(["probe_seconds=soon"], "probe_seconds must be a number, not 'soon'", id="no number"),
        pytest.param(["heat.predict=2"], "heat.predict must be true or false, not '2'", id="no switch"),
        pytest.param(["probe_seconds"], "probe_seconds: must be NAME=VALUE", id="no value"),
        pytest.param(["probe_seconds=0"], "probe_seconds must be above zero and finite, not 0", id="no time"),
        pytest.param(["probe_seconds=nan"], "must be above zero and finite, not nan", id="not a number"),
        pytest.param(["heat.fall_seconds=-1"], "heat.fall_seconds must be above zero", id="a part's time"),
        pytest.param(
            ["heat.hold_celsius=5"],
            "heat.hold_celsius (5) is below heat.tighten_celsius (6): what is tightened would be loosened at once",
            id="hold below tighten",
        ),
        pytest.param(["heat.tighten_celsius=1"], "before the emergency", id="tighten below emergency"),
        pytest.param(["heat.fall_ratio=0"], "are shares", id="no step"),
        pytest.param(["heat.rise_seconds=0.1"], "rises faster than it falls", id="up faster than down"),
        pytest.param(
            ["view_stale_seconds=0.5"],
            "view_seconds (1) must not be above view_stale_seconds (0.5): "
            "a device process in good health would be called stale",
            id="stale before the heartbeat",
        ),
        pytest.param(
            ["restart_first_wall_seconds=60"], "the first wait is the shortest", id="waits that shrink"
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(single, words):
    with pytest.raises(BadSettings) as refused:
        given(None, "", single)

    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        pytest.param("[1, 2]", "must be an object of settings", id="a list"),
        pytest.param("{a: [", "settings.yaml: ", id="no YAML"),
        pytest.param(None, "No such file", id="no file"),
    ],
)
def test_a_file_that_gives_no_settings_is_refused(tmp_path, file, words):
    path = tmp_path / "settings.yaml"
    if file is not None:
        path.write_text(file)
    with pytest.raises(BadSettings, match=words):
        given(path, "", ())


def test_every_problem_is_named_at_once():
    with pytest.raises(BadSettings) as refused:
        changed(DEFAULTS, {"look_seconds": 2.0, "heat": {"hold_celsius": 1}})

    assert len(refused.value.problems) == 2


def test_the_agent_does_not_start_under_settings_that_contradict_each_other(capsys, tmp_path):
    code = main(["run", "--state", str(tmp_path), "--set", "heat.hold_celsius=1", "--set", "look_seconds=2"])

    said = capsys.readouterr().err.splitlines()
    assert code == 3
    assert len(said) == 2
    assert all(line.startswith("wattline-node-agent: ") for line in said)
    assert not any(tmp_path.iterdir())


def test_the_child_processes_are_started_under_the_same_settings():
    settings = Settings(probe_seconds=20.0, heat=replace(Bands(), hold_celsius=12.0))
    config = Config(node="n1", state="s", runtime="r", settings=settings)

    assert Config.loads(config.dumps()) == config
    assert json.loads(config.dumps())["settings"]["heat"]["hold_celsius"] == 12.0


def test_the_reference_says_what_the_settings_are():
    page = Path(__file__).parents[3] / "docs/reference/agent-settings.md"

    assert page.read_text() == reference(), "run `make settings`"


def test_every_setting_has_its_words_and_where_its_number_comes_from():
    rows = [line for line in reference().splitlines() if line.startswith("| `") and line.count("|") == 4]
    words = {row.split("`")[1]: row.split("|")[3].strip() for row in rows}

    assert words.keys() >= named(DEFAULTS).keys()
    assert all(words.values())
