"""Label selectors as `kubectl -l` takes them, which is also how scale subresources write them."""

import re
from collections.abc import Mapping
from functools import cache

_PART = re.compile(
    r"\s*(?:(?P<absent>!)\s*(?P<not_there>[^\s=!,()]+)"
    r"|(?P<key>[^\s=!,()]+)\s*(?:(?P<sign>==|=|!=)\s*(?P<value>[^\s=!,()]*)"
    r"|(?P<word>in|notin)\s*\((?P<values>[^()]*)\))?)\s*(?:,|$)"
)


def selects(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether a selector selects a thing with these labels; an empty one, or one we cannot read, selects nothing.

    Kubernetes lets an empty selector select everything; here it means that the selector is not known.
    """
    parts = _parsed(selector)
    return bool(parts) and all(_holds(*part, labels) for part in parts)


def equal(labels: Mapping[str, str]) -> str:
    """Return the selector of things that have all these labels."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _holds(key: str, values: frozenset[str] | None, wanted: bool, labels: Mapping[str, str]) -> bool:
    there = key in labels if values is None else labels.get(key) in values
    return there is wanted


@cache
def _parsed(selector: str) -> tuple[tuple[str, frozenset[str] | None, bool], ...]:
    """Return key, values (None: any) and whether the label has to be one of them, per requirement."""
    parts: list[tuple[str, frozenset[str] | None, bool]] = []
    at = 0
    while at < len(selector):
        found = _PART.match(selector, at)
        if found is None:
            return ()
        at = found.end()
        if found["absent"]:
            parts.append((found["not_there"], None, False))
        elif found["sign"]:
            parts.append((found["key"], frozenset({found["value"]}), found["sign"] != "!="))
        elif found["word"]:
            values = frozenset(value.strip() for value in found["values"].split(","))
            parts.append((found["key"], values, found["word"] == "in"))
        else:
            parts.append((found["key"], None, True))
    return tuple(parts)
