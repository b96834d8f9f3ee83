"""Templates of workflow steps: text with holes that name values, and nothing else.

``{{ parameters.issue }}``, ``{{ steps.plan.answer }}``, ``{{ steps.plan.answer.files.0 }}``; ``{{ "{{" }}`` is two
braces. There are no expressions, so a template can be judged whole before anything runs, and nothing in it is code.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

HOLE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
NAME = r"[A-Za-z0-9_-]+"
PATH = re.compile(rf"{NAME}(\.{NAME})*")
BRACES = '"{{"'
"""What a hole holds that stands for two braces."""


class TemplateError(ValueError):
    """A hole that cannot be filled."""


@dataclass(frozen=True, slots=True)
class Names:
    """What holes may name at one place."""

    parameters: frozenset[str] = frozenset()
    answers: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    """The steps before, and the JSON schema of each one's answer; None where it is text."""


@dataclass(frozen=True, slots=True)
class Values:
    """What holes are filled with."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, Any] = field(default_factory=dict)
    """What each step answered: text, or a JSON value."""


def problems(text: str, names: Names) -> Iterator[str]:
    """Yield what is wrong with a template, in words."""
    if "{{" in HOLE.sub("", text):
        yield 'a "{{" is never closed; {{ "{{" }} stands for two braces'
    for path in _paths(text):
        problem = _problem(path, names)
        if problem is not None:
            yield problem


def render(text: str, values: Values) -> str:
    """Return the text with its holes filled; values that are not text as JSON. Raise `TemplateError` where one is not
    there.
    """
    return HOLE.sub(lambda hole: _filled(hole[1].strip(), values), text)


def _paths(text: str) -> Iterator[str]:
    for hole in HOLE.finditer(text):
        path = hole[1].strip()
        if path != BRACES:
            yield path


def _problem(path: str, names: Names) -> str | None:
    if not PATH.fullmatch(path):
        return f"{{{{ {path} }}}}: a hole holds a name, e.g. parameters.issue or steps.plan.answer, and nothing else"
    kind, *rest = path.split(".")
    if kind == "parameters" and len(rest) == 1:
        if rest[0] in names.parameters:
            return None
        return (
            f"{{{{ {path} }}}}: there is no parameter {rest[0]}; parameters here: {_list(names.parameters)}"
        )
    if kind == "steps" and len(rest) >= 2 and rest[1] == "answer":
        if rest[0] not in names.answers:
            return f"{{{{ {path} }}}}: no step {rest[0]} stands before this one; steps before: {_list(names.answers)}"
        what = _missing(names.answers[rest[0]], rest[2:], rest[0])
        return None if what is None else f"{{{{ {path} }}}}: {what}"
    return f"{{{{ {path} }}}}: expected parameters.NAME or steps.STEP.answer"


def _missing(schema: Mapping[str, Any] | None, fields: list[str], step: str) -> str | None:
    """Return what a schema says against fields of an answer; parts it leaves open are taken as they come."""
    if schema is None:
        return (
            f"the answer of {step} is text and has no fields; give the step an answer schema"
            if fields
            else None
        )
    node: Any = schema
    for name in fields:
        if not isinstance(node, Mapping):
            return None
        if isinstance(node.get("properties"), Mapping):
            known = node["properties"]
            if name not in known and not node.get("additionalProperties"):
                return f"the answer of {step} has no field {name}; fields there: {_list(known)}"
            node = known.get(name)
        elif name.isdecimal():
            node = node.get("items")
        else:
            return None
    return None


def _filled(path: str, values: Values) -> str:
    if path == BRACES:
        return "{{"
    kind, name, *rest = path.split(".")
    if kind == "parameters":
        if name not in values.parameters:
            raise TemplateError(f"{{{{ {path} }}}}: there is no parameter {name}")
        return values.parameters[name]
    if name not in values.answers:
        raise TemplateError(f"{{{{ {path} }}}}: the step {name} has no answer")
    value = values.answers[name]
    for part in rest[1:]:
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise TemplateError(f"{{{{ {path} }}}}: the answer of {name} has no {part}") from error
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _list(names: Mapping[str, Any] | frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "none"
