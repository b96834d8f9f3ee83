"""YAML with the line of every value."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

Path = tuple[str | int, ...]

TOO_DEEP = "nested more than 50 deep"


class _Loader(yaml.SafeLoader):
    """SafeLoader that leaves dates as the text they are."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: plain data, and the line of each value in it."""

    data: Any
    lines: dict[Path, int]
    repeated: tuple[tuple[Path, int], ...]
    """Keys that stand twice in one mapping, with the line of the later one."""

    def line(self, path: Path) -> int:
        """Return the line of a value, or of the nearest thing around it that is there."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]


class BadYamlError(Exception):
    """Not YAML; knows the line."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def documents(text: str) -> Iterator[Document]:
    """Yield the documents of a file, empty ones left out; raise `BadYamlError` where it stops being YAML."""
    loader = None
    try:
        loader = _Loader(text)
        while loader.check_node():
            node = loader.get_node()
            if node is None or node.tag == "tag:yaml.org,2002:null":
                continue
            lines: dict[Path, int] = {}
            repeated: list[tuple[Path, int]] = []
            _mark(node, (), lines, repeated, depth=0)
            yield Document(loader.construct_document(node), lines, tuple(repeated))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadYamlError(1 if mark is None else mark.line + 1, error.problem or "not YAML") from error
    except (yaml.YAMLError, ValueError) as error:
        raise BadYamlError(1, str(error).replace("\n", " ")) from error
    except RecursionError as error:
        raise BadYamlError(1, TOO_DEEP) from error
    finally:
        if loader is not None:
            loader.dispose()


def _mark(
    node: yaml.Node, path: Path, lines: dict[Path, int], repeated: list[tuple[Path, int]], *, depth: int
) -> None:
    if depth > 50:
        raise BadYamlError(node.start_mark.line + 1, TOO_DEEP)
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            here = (*path, name)
            if name in seen:
                repeated.append((here, key.start_mark.line + 1))
            seen.add(name)
            lines[here] = key.start_mark.line + 1
            _mark(value, here, lines, repeated, depth=depth + 1)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _mark(value, (*path, index), lines, repeated, depth=depth + 1)
