"""Writes out, for the compiled build, the methods that `dataclass` and `NamedTuple` give a class when a program starts.

`mypyc` compiles the methods that stand in the source. Those that the standard library adds stay interpreted: making a
named tuple takes 300 ns then, a frozen dataclass 1,600. Where ``__init__`` stands in the class it takes 40, and
floats are held as they are. So the build writes it there, with what compares, hashes and pickles.

That values do not change is what mypy checks in the source; the compiled classes do not check it again. A named tuple
becomes a class that is no tuple: source that takes one apart does not compile.
Lines keep their numbers, so that tracebacks point into the source: what is written out takes the place of docstrings
and blank lines, at the latest of those that follow.
"""
# ruff: noqa: INP001  # beside hatch's own file, and in no package

import ast
from collections.abc import Iterable
from dataclasses import dataclass

FROZEN = "dataclass(frozen=True, slots=True)"
MUTABLE = "dataclass(slots=True)"
IMPORTS = "from dataclasses import dataclass as _dataclass, field as _field; from typing import Any as _Any"


@dataclass(frozen=True, slots=True)
class Field:
    """An attribute that ``__init__`` sets."""

    name: str
    type: str
    default: str = ""
    factory: str = ""
    """What makes its default anew each time."""
    compared: bool = True
    given: bool = True
    """Whether ``__init__`` takes it; if not, it has its default."""

    @property
    def declared(self) -> str:
        """Return how the class names it."""
        return f"{self.name}: {self.type}" + ("" if self.given else " = _field(init=False)")

    @property
    def parameter(self) -> str:
        """Return how ``__init__`` takes it."""
        if self.factory:
            return f"{self.name}: _Any = None"
        return f"{self.name}: {self.type}" + (f" = {self.default}" if self.default else "")

    @property
    def value(self) -> str:
        """Return what ``__init__`` sets it to."""
        if not self.given:
            return f"({self.factory})()" if self.factory else self.default
        return f"({self.factory})() if {self.name} is None else {self.name}" if self.factory else self.name


def written_out(source: str) -> str:
    """Return the source of a module with the methods of its values in it; classes of other kinds are left alone."""
    tree = ast.parse(source)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and _is_value(node)]
    if not classes:
        return source
    regions = {_first_line(node): (_fields_end(node), _written(node)) for node in classes}
    first = min(regions)
    regions[first] = (regions[first][0], [IMPORTS, *regions[first][1]])
    lines, strings = source.splitlines(), _inside_strings(tree)
    out: list[str] = []
    number = 1
    while number <= len(lines):
        out += [""] * (number - 1 - len(out))
        if number in regions:
            number, text = regions[number]
            out += text
            continue
        late = len(out) >= number
        if not late or lines[number - 1].strip() or number in strings:
            out.append(lines[number - 1])
        number += 1
    return "\n".join(out) + "\n"


def _is_value(node: ast.ClassDef) -> bool:
    """Whether a class consists of fields, then methods, and is made by its fields alone."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    methods = [each for each in body if isinstance(each, ast.FunctionDef)]
    fields = [each for each in body[: len(body) - len(methods)] if isinstance(each, ast.AnnAssign)]
    docs = [each for each in body if isinstance(each, ast.Expr)]
    return (
        bool(fields)
        and len(fields) + len(docs) + len(methods) == len(body)
        and not any(method.name == "__post_init__" for method in methods)
        and (_is_named_tuple(node) or (not node.bases and _decorator(node) in {FROZEN, MUTABLE}))
    )


def _is_named_tuple(node: ast.ClassDef) -> bool:
    return [ast.unparse(base) for base in node.bases] == ["NamedTuple"]


def _decorator(node: ast.ClassDef) -> str:
    return ast.unparse(node.decorator_list[0]) if len(node.decorator_list) == 1 else ""


def _first_line(node: ast.ClassDef) -> int:
    return min([node.lineno, *(each.lineno for each in node.decorator_list)])


def _fields_end(node: ast.ClassDef) -> int:
    """Return the line after the fields: that of the first method, or that after the class."""
    for each in node.body:
        if isinstance(each, ast.FunctionDef):
            return min([each.lineno, *(decorator.lineno for decorator in each.decorator_list)])
    return (node.end_lineno or node.lineno) + 1


def _written(node: ast.ClassDef) -> list[str]:
    """Return the lines of a class up to its first method, with the methods that are written out."""
    fields = [_field(each) for each in node.body if isinstance(each, ast.AnnAssign)]
    given = [each for each in fields if each.given]
    compared = [each.name for each in fields if each.compared]
    name = node.name
    taken, whole = _listed(each.parameter for each in given), _listed(f"self.{each.name}" for each in given)
    sets = "; ".join(f"self.{each.name} = {each.value}" for each in fields)
    same = " and ".join(f"self.{each} == other.{each}" for each in compared)
    body = [
        repr(ast.get_docstring(node) or name),
        "; ".join(each.declared for each in fields),
        f"def __init__(self, {taken}) -> None: {sets}",
        f"def __eq__(self, other: object) -> bool: return bool(isinstance(other, {name}) and {same})",
        f"def __reduce__(self) -> tuple[_Any, ...]: return {name}, ({whole},)",
    ]
    if _is_named_tuple(node) or _decorator(node) == FROZEN:
        hashed = _listed(f"self.{each}" for each in compared)
        body.append(f"def __hash__(self) -> int: return hash(({hashed},))")
    if _is_named_tuple(node):
        changed = _listed(f"changes.get({each.name!r}, self.{each.name})" for each in fields)
        body.append(f"def _replace(self, **changes: _Any) -> {name!r}: return {name}({changed})")
    return ["@_dataclass(init=False, eq=False)", f"class {name}:", *(f"    {line}" for line in body)]


def _field(node: ast.AnnAssign) -> Field:
    name, kind = ast.unparse(node.target), ast.unparse(node.annotation)
    if isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "field":
        said = {each.arg: ast.unparse(each.value) for each in node.value.keywords}
        compared, given = said.get("compare") != "False", said.get("init") != "False"
        return Field(name, kind, said.get("default", ""), said.get("default_factory", ""), compared, given)
    return Field(name, kind, "" if node.value is None else ast.unparse(node.value))


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)


def _inside_strings(tree: ast.Module) -> set[int]:
    """Return the lines that a string of several lines begins on, goes through or ends on."""
    return {
        line
        for each in ast.walk(tree)
        if isinstance(each, ast.Constant | ast.JoinedStr) and each.end_lineno is not None
        for line in range(each.lineno, each.end_lineno + 1)
    }
