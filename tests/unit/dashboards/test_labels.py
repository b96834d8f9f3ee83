"""An expression is judged by what the code exports: names, labels, and labels that survive an aggregation."""

import pytest
from dashboards.labels import TARGET, QueryError, labels

KNOWN = {
    "draw": frozenset({"node", "gpu"}),
    "info": frozenset({"pool", "node", "gpu"}),
    "waits_bucket": frozenset({"pool", "le"}),
    "up": frozenset(),
}


@pytest.mark.parametrize(
    ("expr", "want"),
    [
        pytest.param(
            'draw{node="n1"}', {"node", "gpu"} | TARGET, id="a selector has its labels and the target's"
        ),
        pytest.param("sum by (node) (rate(draw[$__rate_interval]))", {"node"}, id="by keeps what it names"),
        pytest.param("max without (gpu) (draw)", {"node"} | TARGET, id="without drops what it names"),
        pytest.param("sum(draw)", set(), id="a sum of all has none"),
        pytest.param("topk(3, sum by (node) (draw))", {"node"}, id="topk keeps them"),
        pytest.param(
            "histogram_quantile(0.9, sum by (pool, le) (rate(waits_bucket[5m])))", {"pool"}, id="le is spent"
        ),
        pytest.param(
            "max by (node, gpu) (draw) * on (node, gpu) group_left (pool) max by (node, gpu, pool) (info)",
            {"node", "gpu", "pool"},
            id="group_left brings labels along",
        ),
        pytest.param(
            "max by (node, gpu) (draw) * on (node, gpu) group_right () max by (node, gpu, pool) (info)",
            {"node", "gpu", "pool"},
            id="group_right keeps the many side's",
        ),
        pytest.param("sum by (node) (draw) > 5", {"node"}, id="a comparison with a number"),
        pytest.param("sum(draw) or vector(0)", set(), id="or unites"),
        pytest.param("sum by (node) (draw) and on (node) info", {"node"}, id="and keeps the left side"),
        pytest.param(
            'label_replace(draw, "host", "$1", "node", "(.*)")',
            {"node", "gpu", "host"} | TARGET,
            id="a new label",
        ),
        pytest.param("max_over_time(sum by (node) (draw)[1h:1m])", {"node"}, id="a subquery"),
    ],
)
def test_labels_of_an_expression(expr, want):
    assert labels(expr, KNOWN) == want


@pytest.mark.parametrize(
    ("expr", "says"),
    [
        pytest.param("drawn", "nobody exports drawn", id="an unknown name"),
        pytest.param('draw{pool="x"}', "has no label pool", id="a matcher of an unknown label"),
        pytest.param("sum by (pool) (draw)", "has no label pool", id="an aggregation by an unknown label"),
        pytest.param(
            "max by (gpu) (sum by (node) (draw))", "has no label gpu", id="a label that was summed away"
        ),
        pytest.param(
            "sum by (node) (draw) / max by (gpu) (draw)", "on() is missing", id="sides that never match"
        ),
        pytest.param(
            "sum by (node) (draw) * on (pool) max by (pool) (info)",
            "has no label pool",
            id="on a label of one side",
        ),
        pytest.param(
            "sum by (node) (draw) * on (node) group_left (x) max by (node) (info)",
            "has no label x",
            id="nothing to bring",
        ),
        pytest.param(
            "histogram_quantile(0.9, sum by (pool) (waits_bucket))",
            "has no label le",
            id="a quantile of nothing",
        ),
        pytest.param("sum(draw", "sum(draw", id="no PromQL at all"),
    ],
)
def test_what_is_not_there_is_named(expr, says):
    with pytest.raises(QueryError) as caught:
        labels(expr, KNOWN)

    assert says in str(caught.value)
