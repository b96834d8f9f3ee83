"""The definitions in the repository are those of the models, and an API server can take them."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from wattline.api import crds
from wattline.cli.crds import crds as command

ROOT = Path(__file__).resolve().parents[2]
KINDS = [pytest.param(kind, id=kind.__name__) for kind in crds.KINDS]


def nodes(schema, path=""):
    """Every schema inside a schema, with its path."""
    yield path, schema
    for name, each in schema.get("properties", {}).items():
        yield from nodes(each, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")


def test_the_files_in_the_repository_are_up_to_date():
    result = CliRunner().invoke(
        command, ["--check", str(ROOT / "crds"), "--reference", str(ROOT / "docs/reference/api.md")]
    )

    assert result.exit_code == 0, (
        f"run `wattline crds crds --reference docs/reference/api.md`\n{result.output}"
    )


def test_a_file_that_is_out_of_date_is_shown_as_a_diff(tmp_path):
    CliRunner().invoke(command, [str(tmp_path)], catch_exceptions=False)
    old = (tmp_path / "powerdomains.yaml").read_text()
    (tmp_path / "powerdomains.yaml").write_text(old.replace("pdom", "pd"))

    result = CliRunner().invoke(command, ["--check", str(tmp_path)])

    assert result.exit_code == 1
    assert "-    - pd\n+    - pdom\n" in result.output
    assert (tmp_path / "powerdomains.yaml").read_text() != old, "--check writes nothing"


def test_only_our_own_left_over_files_are_taken_away(tmp_path):
    (tmp_path / "mine.yaml").write_text("kind: Mine\n")
    (tmp_path / "oldkinds.yaml").write_text(crds.HEADER)

    CliRunner().invoke(command, [str(tmp_path)], catch_exceptions=False)

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["mine.yaml", *crds.files()])


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_is_structural(kind):
    for path, node in nodes(crds.schema(kind)):
        assert not {"title", "$ref", "anyOf", "oneOf", "propertyNames", "const"} & node.keys(), path
        if "additionalProperties" in node:
            assert isinstance(node["additionalProperties"], dict), path
            assert "properties" not in node, path
        assert isinstance(node["type"], str), path
        assert isinstance(node.get("exclusiveMinimum", True), bool), path
        if "properties" in node:
            assert node["type"] == "object", path


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_says_what_it_means(kind):
    for path, node in nodes(crds.schema(kind)):
        if path and path not in {".apiVersion", ".kind", ".metadata"} and not path.endswith("[]"):
            assert node.get("description"), path


@pytest.mark.parametrize("kind", KINDS)
def test_lists_of_named_things_are_maps_by_name(kind):
    for path, node in nodes(crds.schema(kind)):
        if "x-kubernetes-list-map-keys" in node:
            assert set(node["x-kubernetes-list-map-keys"]) <= set(node["items"]["required"]), path
    properties = crds.schema(kind)["properties"]
    if "conditions" in properties["status"]["properties"]:
        assert properties["status"]["properties"]["conditions"]["x-kubernetes-list-map-keys"] == ["type"]


@pytest.mark.parametrize("kind", KINDS)
def test_columns_and_scale_name_fields_that_exist(kind):
    fields = {path.replace("[]", "") for path, _ in nodes(crds.schema(kind))}
    version = crds.definition(kind)["spec"]["versions"][0]

    for column in version["additionalPrinterColumns"][:-1]:
        assert column["jsonPath"].split("[?")[0] in fields
    assert version["additionalPrinterColumns"][-1]["name"] == "Age"
    for path in version["subresources"].get("scale", {}).values():
        assert path in fields


def test_the_yaml_reads_back_as_what_was_meant():
    for kind in crds.KINDS:
        assert yaml.safe_load(crds.files()[f"{kind.plural}.yaml"]) == crds.definition(kind)
