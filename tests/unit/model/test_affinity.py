"""Which nodes a pod may go to, and the patch that lets it go."""

import pytest

from wattline.model.affinity import NodeTaint, allowed, kept_away, placed, terms, tolerations

LABELS = {"zone": "a", "cores": "64"}


def spec(*required):
    """A pod's spec whose affinity requires one of some terms."""
    return {
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(required)}
            }
        }
    }


def expression(key, operator, *values):
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("pod", "want"),
    [
        pytest.param({}, True, id="nothing is required"),
        pytest.param({"affinity": {"podAffinity": {}}}, True, id="nothing is required of nodes"),
        pytest.param(spec(expression("zone", "In", "a", "b")), True, id="one of its values"),
        pytest.param(spec(expression("zone", "In", "b")), False, id="another value"),
        pytest.param(spec(expression("zone", "NotIn", "b")), True, id="not that value"),
        pytest.param(spec(expression("gone", "NotIn", "b")), True, id="not there, so not that value"),
        pytest.param(spec(expression("zone", "Exists")), True, id="there"),
        pytest.param(spec(expression("gone", "DoesNotExist")), True, id="not there, as required"),
        pytest.param(spec(expression("cores", "Gt", "32")), True, id="more than"),
        pytest.param(spec(expression("cores", "Lt", "32")), False, id="not less than"),
        pytest.param(spec(expression("zone", "Gt", "32")), False, id="not a number"),
        pytest.param(spec(expression("zone", "Near", "a")), False, id="an operator of a later Kubernetes"),
        pytest.param(spec({}), False, id="an empty term holds nowhere"),
        pytest.param(spec(expression("zone", "In", "b"), expression("cores", "Exists")), True, id="either"),
        pytest.param(
            spec({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}),
            True,
            id="by the node's name",
        ),
    ],
)
def test_a_node_is_open_to_a_pod_as_kubernetes_means_it(pod, want):
    assert allowed(terms(pod), {}, "n1", LABELS) is want


def test_the_node_selector_counts_too():
    assert allowed(None, {"zone": "a"}, "n1", LABELS)
    assert not allowed(None, {"zone": "b"}, "n1", LABELS)


@pytest.mark.parametrize(
    ("toleration", "bears"),
    [
        pytest.param({"key": "gpu", "operator": "Exists"}, True, id="any value"),
        pytest.param({"key": "gpu", "value": "h100"}, True, id="that value"),
        pytest.param({"key": "gpu", "value": "a100"}, False, id="another value"),
        pytest.param({"operator": "Exists"}, True, id="everything"),
        pytest.param({"key": "gpu", "operator": "Exists", "effect": "NoExecute"}, False, id="another effect"),
        pytest.param({"key": "disk", "operator": "Exists"}, False, id="another taint"),
    ],
)
def test_a_taint_keeps_a_pod_away_that_does_not_bear_it(toleration, bears):
    taint = NodeTaint("gpu", "NoSchedule", "h100")

    assert (kept_away([taint], tolerations({"tolerations": [toleration]})) == ()) is bears
    assert kept_away([NodeTaint("soft", "PreferNoSchedule")], ()) == ()


def pod(**more):
    gates = [{"name": "wattline.dev/placement"}, {"name": "other.example/gate"}]
    return {"metadata": {"uid": "u", "resourceVersion": "7"}, "spec": {"schedulingGates": gates, **more}}


ONLY = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["h1", "h2"]}


def test_the_patch_narrows_every_term_lifts_only_our_gate_and_is_for_this_version_of_the_pod():
    required = [expression("zone", "In", "a"), {"matchFields": [{"key": "metadata.name"}]}, {}]
    other = {"podAntiAffinity": {"x": 1}}
    soft = {"preferredDuringSchedulingIgnoredDuringExecution": [1]}
    affinity = spec(*required)["affinity"]
    affinity["nodeAffinity"] |= soft
    patch = placed(pod(affinity=affinity | other), ["h1", "h2"])

    assert patch[0] == {"op": "test", "path": "/metadata/uid", "value": "u"}
    assert patch[1] == {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"}
    assert patch[2]["path"] == "/spec/affinity"
    value = patch[2]["value"]
    assert value["podAntiAffinity"] == {"x": 1}
    assert value["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"] == [1]
    first, second, empty = terms_of(value)
    assert first["matchExpressions"] == [*expression("zone", "In", "a")["matchExpressions"], ONLY]
    assert second == {"matchFields": [{"key": "metadata.name"}], "matchExpressions": [ONLY]}
    assert empty == {}, "a term that holds nowhere may not be changed"
    assert patch[3]["value"] == [{"name": "other.example/gate"}]


@pytest.mark.parametrize(
    "affinity", [{}, {"affinity": {"podAffinity": {}}}, {"affinity": {"nodeAffinity": {}}}]
)
def test_a_pod_that_required_nothing_gets_one_term(affinity):
    assert terms_of(placed(pod(**affinity), ["h1", "h2"])[2]["value"]) == [{"matchExpressions": [ONLY]}]


def terms_of(affinity):
    return affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
