"""What the compiled build makes of classes of values: the same values, and lines where they were."""

import ast
import importlib.util
import pickle
import sys
import tomllib
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

OPERATOR = Path(__file__).resolve().parents[3] / "operator"
SOURCE = OPERATOR / "src" / "wattline"
VALUES = '''"""Values."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """Left alone."""

    ONE = "One"


class Pair(NamedTuple):
    """Two things."""

    first: float
    second: float = 2.0
    """With a default."""

    @property
    def sum(self) -> float:
        """Return both together."""
        return self.first + self.second


@dataclass(frozen=True, slots=True)
class Kept:
    """A frozen one.

    With more to say.
    """

    name: str
    pair: Pair = Pair(1.0)
    names: list[str] = field(default_factory=list)
    beside: int = field(default=0, compare=False, repr=False)
    _seen: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)


@dataclass(slots=True)
class Count:
    """One that changes."""

    value: int = 0

    def up(self) -> None:
        """Count."""
        self.value += 1


@dataclass(frozen=True, slots=True)
class Checked:
    """Left alone: making it is more than its fields."""

    value: int

    def __post_init__(self) -> None:
        if self.value < 0:
            raise ValueError(f"{self.value}: below zero")


def last() -> Kind:
    """Return the one there is."""
    return Kind.ONE
'''


def _loaded(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


hatch_values = _loaded("hatch_values", OPERATOR / "hatch_values.py")


@pytest.fixture(scope="module", params=["as it stands", "written out"])
def values(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the module above, as the interpreter takes it and as the compiler gets it."""
    text = VALUES if request.param == "as it stands" else hatch_values.written_out(VALUES)
    path = tmp_path_factory.mktemp("values") / "some_values.py"
    path.write_text(text)
    return _loaded("some_values", path)


def test_values_are_made_from_places_names_and_defaults(values: Any) -> None:
    assert values.Pair(1.0).sum == 3.0
    assert values.Pair(second=4.0, first=1.0).sum == 5.0
    assert values.Kept("a").pair.first == 1.0
    assert values.Kept("a", beside=3).beside == 3


def test_a_default_that_is_made_is_made_anew(values: Any) -> None:
    one, other = values.Kept("a"), values.Kept("b")
    one.names.append("x")
    one._seen["x"] = 1
    assert other.names == []
    assert other._seen == {}


@pytest.mark.parametrize(
    ("other", "same"),
    [
        pytest.param(lambda v: v.Kept("a"), True, id="the same fields are the same value"),
        pytest.param(lambda v: v.Kept("a", beside=7), True, id="a field that is not compared makes no difference"),
        pytest.param(lambda v: v.Kept("b"), False, id="another field is another value"),
        pytest.param(lambda v: v.Kept("a", v.Pair(1.0, 3.0)), False, id="a value inside is compared by its fields"),
        pytest.param(lambda v: "a", False, id="something else is never the same"),
    ],
)  # fmt: skip
def test_values_are_compared_by_their_fields(values: Any, other: Any, same: bool) -> None:
    assert (values.Kept("a") == other(values)) is same


def test_equal_values_have_one_hash_and_one_that_changes_has_none(values: Any) -> None:
    assert {values.Pair(1.0), values.Pair(1.0, 2.0), values.Pair(2.0)} == {values.Pair(1.0), values.Pair(2.0)}
    with pytest.raises(TypeError):
        hash(values.Count())


def test_values_are_changed_into_others_read_back_from_pickle_and_listed(values: Any) -> None:
    assert values.Pair(1.0)._replace(second=5.0) == values.Pair(1.0, 5.0)
    assert replace(values.Kept("a"), name="b") == values.Kept("b")
    assert pickle.loads(pickle.dumps(values.Kept("a", names=["x"]))) == values.Kept("a", names=["x"])
    assert asdict(values.Count(3)) == {"value": 3}


def test_what_changes_still_does_and_what_is_checked_still_is(values: Any) -> None:
    count = values.Count()
    count.up()
    assert count == values.Count(1)
    with pytest.raises(ValueError, match="below zero"):
        values.Checked(-1)


def _lines(source: str) -> dict[str, int]:
    found: dict[str, int] = {}

    def look(node: ast.AST, place: str) -> None:
        for each in ast.iter_child_nodes(node):
            if isinstance(each, ast.FunctionDef | ast.ClassDef):
                found[f"{place}.{each.name}"] = each.lineno
                look(each, f"{place}.{each.name}")

    look(ast.parse(source), "")
    return found


def _compiled() -> list[Path]:
    build = tomllib.loads((OPERATOR / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    rooms = build["targets"]["wheel"]["hooks"]["custom"]["modules"]
    return [SOURCE / room / f"{name}.py" for room, names in rooms.items() for name in names]


@pytest.mark.parametrize("path", _compiled(), ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_tracebacks_of_the_compiled_build_point_into_the_source(path: Path) -> None:
    source = path.read_text("utf-8")
    before, after = _lines(source), _lines(hatch_values.written_out(source))
    assert max((abs(after[name] - line) for name, line in before.items()), default=0) <= 4
