"""A box refuses what needs a cluster; the examples for clusters are what they say."""

from pathlib import Path

import pytest
import yaml

from wattline.api import crds
from wattline.api.powerdomain import PowerDomain
from wattline.doors.manifests import load
from wattline.model.errors import ManifestError

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples" / "cluster").glob("*.yaml"))
KINDS = {kind.__name__: kind for kind in crds.KINDS}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_holds_only_fields_that_exist(path):
    for document in yaml.safe_load_all(path.read_text()):
        KINDS[document["kind"]].model_validate(document, extra="forbid", by_alias=True, by_name=False)


def test_there_is_an_example_of_every_source_of_replicas():
    pools = [
        document["spec"].keys()
        for path in EXAMPLES
        for document in yaml.safe_load_all(path.read_text())
        if document["kind"] == "InferencePool"
    ]

    for source in ("template", "workloadRef", "poolRef", "endpoints"):
        assert any(source in spec for spec in pools), source


@pytest.mark.parametrize(
    ("name", "field", "line", "remedy"),
    [
        ("row", "spec.nodeSelector", 7, "nodes: [n1, n2]"),
        ("coder-pool", "spec.template", 15, "endpoints: [{name: a"),
        ("workload-pool", "spec.workloadRef", 10, "endpoints: [{name: a"),
        ("gateway-api-pool", "spec.poolRef", 8, "endpoints: [{name: a"),
    ],
)
def test_on_a_box_what_needs_a_cluster_is_refused_with_file_line_path_and_remedy(name, field, line, remedy):
    path = ROOT / "examples" / "cluster" / f"{name}.yaml"
    with pytest.raises(ManifestError) as caught:
        load([path])

    assert str(caught.value).startswith(f"{path}:{line}: {field}: ")
    assert remedy in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("model: m", "exactly one of template, workloadRef, poolRef, endpoints"),
        (
            "{model: m, endpoints: [{name: a, url: 'http://h:1', node: n, gpus: [g]}], poolRef: {name: x}}",
            "exactly one",
        ),
    ],
)
def test_a_pool_has_one_source(tmp_path, spec, message):
    text = "apiVersion: wattline.dev/v1alpha1\nkind: InferencePool\nmetadata: {name: p}\nspec:\n"
    (tmp_path / "p.yaml").write_text(
        text + f"  {spec}\n" if spec.startswith("m") else text[:-1] + f" {spec}\n"
    )
    with pytest.raises(ManifestError, match=message):
        load([tmp_path])


def test_nodes_are_named_or_selected():
    with pytest.raises(ValueError, match="not both"):
        PowerDomain.model_validate(
            {
                "kind": "PowerDomain",
                "metadata": {"name": "row"},
                "spec": {
                    "nodes": ["n1"],
                    "nodeSelector": {"matchLabels": {"a": "b"}},
                    "budget": {"watts": 1},
                },
            }
        )
