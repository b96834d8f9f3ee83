"""What can be said of the chart and the images without helm."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from tests.unit.chart.rendering import CHART, ROOT

from wattline.cli.crds import crds

IMAGES = {"wattline": "operator", "node-agent": "node-agent"}


def test_the_definitions_in_the_chart_are_those_of_the_models():
    result = CliRunner().invoke(crds, ["--check", str(CHART / "files/crds")])

    assert result.exit_code == 0, f"run `make crds`\n{result.output}"


def test_a_definition_that_drifts_is_seen(tmp_path):
    CliRunner().invoke(crds, [str(tmp_path)], catch_exceptions=False)
    drifted = tmp_path / "powernodes.yaml"
    drifted.write_text(drifted.read_text().replace("budgetWatts", "budget", 1))

    assert CliRunner().invoke(crds, ["--check", str(tmp_path)]).exit_code == 1


def schema() -> dict:
    return json.loads((CHART / "values.schema.json").read_text())


def resolved(node: dict, whole: dict) -> dict:
    return whole["$defs"][node["$ref"].rpartition("/")[2]] | node if "$ref" in node else node


def described(node: dict, whole: dict, path: str = ""):
    """Every value the schema names, with its path."""
    node = resolved(node, whole)
    yield path, node
    for name, each in node.get("properties", {}).items():
        yield from described(each, whole, f"{path}.{name}".lstrip("."))


def leaves(values: dict, path: str = ""):
    for name, each in values.items():
        here = f"{path}.{name}".lstrip(".")
        yield here
        if isinstance(each, dict):
            yield from leaves(each, here)


def test_every_object_with_named_values_refuses_names_it_does_not_know():
    whole = schema()
    for path, node in described(whole, whole):
        if "properties" in node:
            assert node["additionalProperties"] is False, path


def test_every_value_says_what_it_is_for():
    whole = schema()
    parts = {
        "requests",
        "limits",
        "claims",
        "runAsUser",
        "runAsGroup",
        "nodeAffinity",
        "podAffinity",
        "podAntiAffinity",
    }
    for path, node in described(whole, whole):
        if path and path.rpartition(".")[2] not in parts:
            assert node.get("description"), path


def test_the_schema_and_the_defaults_name_the_same_values():
    whole = schema()
    known = {path for path, _ in described(whole, whole) if path}
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    free = {
        path for path, node in described(whole, whole) if isinstance(node.get("additionalProperties"), dict)
    }
    there = {path for path in leaves(values) if path.rpartition(".")[0] not in free}

    assert there <= known
    missing = {
        path for path in known - there if "affinity." not in path and not path.endswith("resources.claims")
    }
    assert missing == {"global"}, "every value has a default that can be read"


def test_the_chart_is_of_the_version_of_the_programs():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    for package in ("operator", "node-agent"):
        (version,) = re.findall(
            r'^version = "(.+)"', (ROOT / package / "pyproject.toml").read_text(), re.MULTILINE
        )
        assert chart["appVersion"] == version


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_is_built_from_pinned_packages_and_leaves_no_installer(image: str):
    text = (ROOT / "images" / image / "Dockerfile").read_text()
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)

    assert text.startswith("#")
    assert "ARG BASE=" in stages[0]
    assert [stage.split()[0] for stage in stages[1:]] == ["${BASE}", "${BASE}"], (
        "one base, a stage that builds"
    )
    for command in re.findall(r"pip .*?install (.*?)(?= && |\nCOPY|\nFROM|\n\n)", text, re.DOTALL):
        assert "--require-hashes" in command or "--no-index" in command, command
    assert "pip" not in stages[2]
    assert "--without-pip" in stages[1]


@pytest.mark.parametrize(("image", "user"), [("wattline", "65532:65532"), ("node-agent", "0:0")])
def test_only_the_agent_is_root(image: str, user: str):
    text = (ROOT / "images" / image / "Dockerfile").read_text()

    assert re.findall(r"^USER (.+)", text, re.MULTILINE) == [user]


@pytest.mark.parametrize(("image", "package"), IMAGES.items())
def test_the_pinned_packages_cover_what_the_program_asks_for(image: str, package: str):
    pinned = set(
        re.findall(r"^([a-z0-9-]+)==", (ROOT / f"requirements/{package}.txt").read_text(), re.MULTILINE)
    )
    project = tomllib.loads((ROOT / package / "pyproject.toml").read_text())["project"]
    extras = ("gateway", "operator", "cli", "workflow") if package == "operator" else ()
    asked = [
        *project["dependencies"],
        *(each for name in extras for each in project["optional-dependencies"][name]),
    ]
    wanted = {re.match(r"[A-Za-z0-9-]+", each).group().lower() for each in asked} - {"wattline"}

    assert wanted <= pinned, "run `make lock`"
    assert Path(ROOT / f"images/{image}/Dockerfile").read_text().count(f"requirements/{package}.txt") == 2
