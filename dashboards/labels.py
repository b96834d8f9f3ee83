"""Which labels a PromQL expression has, and whether everything it names exists."""

from collections.abc import Iterable, Mapping

import promql_parser as promql
from promql_parser import AggModifierType, LabelModifierType, VectorMatchCardinality

Known = Mapping[str, frozenset[str]]
"""Names of series with their labels."""

TARGET = frozenset({"job", "instance", "namespace", "pod", "container"})
"""Labels that Prometheus gives what it scrapes."""

STAND_INS = {"$__rate_interval": "5m", "$__range": "1h", "$__interval": "1m"}
"""Grafana's own variables, as PromQL can read them."""

SET_OPERATORS = frozenset({"and", "or", "unless"})


class QueryError(Exception):
    """An expression that cannot be read, or that names what nobody exports."""


def labels(expr: str, known: Known) -> frozenset[str]:
    """Return the labels of an expression's series; raise `QueryError` where it asks for what is not there."""
    for variable, value in STAND_INS.items():
        expr = expr.replace(variable, value)
    try:
        parsed = promql.parse(expr)
    except ValueError as error:
        raise QueryError(f"{expr}: {error}") from error
    try:
        return _labels(parsed, known)
    except QueryError as error:
        raise QueryError(f"{expr}: {error}") from error


def _labels(node: object, known: Known) -> frozenset[str]:
    match node:
        case promql.VectorSelector():
            return _selector(node, known)
        case promql.MatrixSelector():
            return _selector(node.vector_selector, known)
        case promql.AggregateExpr():
            return _aggregate(node, known)
        case promql.BinaryExpr():
            return _binary(node, known)
        case promql.Call():
            return _call(node, known)
        case promql.ParenExpr() | promql.SubqueryExpr() | promql.UnaryExpr():
            return _labels(node.expr, known)
    return frozenset()


def _selector(node: promql.VectorSelector, known: Known) -> frozenset[str]:
    name = node.name or ""
    if name not in known:
        raise QueryError(f"nobody exports {name}")
    there = known[name] | TARGET
    _there((matcher.name for matcher in node.matchers.matchers), there, name)
    return there


def _aggregate(node: promql.AggregateExpr, known: Known) -> frozenset[str]:
    inside = _labels(node.expr, known)
    modifier = node.modifier
    if str(node.op) in {"topk", "bottomk"}:
        return inside
    if modifier is None:
        return frozenset()
    _there(modifier.labels, inside, str(node.expr))
    named = frozenset(modifier.labels)
    return named if modifier.type == AggModifierType.By else inside - named


def _binary(node: promql.BinaryExpr, known: Known) -> frozenset[str]:
    left, right = _labels(node.lhs, known), _labels(node.rhs, known)
    if _scalar(node.lhs) or _scalar(node.rhs):
        return left | right
    if str(node.op) == "or":
        return left | right
    modifier = node.modifier
    matching = None if modifier is None else modifier.matching
    if matching is not None:
        for side, text in ((left, node.lhs), (right, node.rhs)):
            _there(matching.labels, side, str(text))
    elif str(node.op) not in SET_OPERATORS and left != right:
        raise QueryError(f"{node.lhs} has {sorted(left)} and {node.rhs} has {sorted(right)}: on() is missing")
    if modifier is None or str(node.op) in SET_OPERATORS:
        return left
    extra = frozenset(modifier.group_labels or ())
    if modifier.card == VectorMatchCardinality.ManyToOne:
        _there(extra, right, str(node.rhs))
        return left | extra
    if modifier.card == VectorMatchCardinality.OneToMany:
        _there(extra, left, str(node.lhs))
        return right | extra
    if matching is None:
        return left
    return (
        frozenset(matching.labels)
        if matching.type == LabelModifierType.Include
        else left - set(matching.labels)
    )


def _call(node: promql.Call, known: Known) -> frozenset[str]:
    name, args = node.func.name, node.args
    inside: frozenset[str] = frozenset().union(*(_labels(arg, known) for arg in args))
    if name == "histogram_quantile":
        _there(("le",), inside, str(args[1]))
        return inside - {"le"}
    if name in {"label_replace", "label_join"}:
        return inside | {args[1].val}
    if name == "absent":
        return frozenset()
    return inside


def _scalar(node: object) -> bool:
    match node:
        case promql.ParenExpr() | promql.UnaryExpr():
            return _scalar(node.expr)
        case promql.NumberLiteral():
            return True
        case promql.Call():
            return node.func.name in {"time", "scalar"}
        case promql.BinaryExpr():
            return _scalar(node.lhs) and _scalar(node.rhs)
    return False


def _there(wanted: Iterable[str], there: frozenset[str], what: str) -> None:
    missing = sorted(set(wanted) - there - {"__name__"})
    if missing:
        raise QueryError(f"{what} has no label {', '.join(missing)}")
