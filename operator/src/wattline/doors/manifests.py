"""A user's manifests: a folder or files of YAML, read whole or refused with every problem at once."""

import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from wattline.api import crds
from wattline.api.agentworkflow import ENV_NAME, NAME, AgentWorkflow
from wattline.api.base import DNS_NAME, GROUP, VERSION
from wattline.api.inferencepool import URL, InferencePool
from wattline.api.modelprofile import PRODUCT, ModelProfile
from wattline.api.powerdomain import PowerDomain
from wattline.doors import marks
from wattline.model.errors import ManifestError
from wattline.model.fleet import Fleet, full_name
from wattline.model.references import cluster_only, problems

Declared = PowerDomain | InferencePool | AgentWorkflow | ModelProfile
"""What a user writes."""

KINDS: dict[str, type[Declared]] = {
    "PowerDomain": PowerDomain,
    "InferencePool": InferencePool,
    "AgentWorkflow": AgentWorkflow,
    "ModelProfile": ModelProfile,
}
"""Kinds that a user writes."""

KUBERNETES_METADATA = {
    "annotations", "creationTimestamp", "finalizers", "generation", "labels", "managedFields",
    "ownerReferences", "resourceVersion", "selfLink", "uid",
}  # fmt: skip
"""Fields of metadata that Kubernetes knows and we pass over, so that `kubectl get -o yaml` can be kept."""

UNITS = {
    "watts": "watts as a number, e.g. 24000",
    "mhz": "MHz as a whole number, e.g. 1410",
    "seconds": "seconds as a number, e.g. 60",
    "ratio": "a share between 0 and 1, e.g. 0.75",
}
"""How a value of a unit is written; found by the last such word in its path."""

_PATTERNS = {
    DNS_NAME: "lower-case letters, digits, dots and dashes, e.g. gpu-1",
    URL: "a web address without a path, e.g. http://127.0.0.1:8001",
    NAME: "lower-case letters, digits and dashes, e.g. plan",
    ENV_NAME: "letters, digits and underscores, e.g. ISSUE",
    PRODUCT: "lower-case letters, digits and dashes, e.g. h100",
}
"""What a pattern wants, in words."""


@dataclass
class _Reading:
    """What came of reading all files so far."""

    objects: list[Declared] = field(default_factory=list)
    """What was made; an object with problems is in it without the fields they are in, to check references."""
    places: dict[tuple[str, str], tuple[Path, marks.Document]] = field(default_factory=dict)
    broken: set[tuple[str, str]] = field(default_factory=set)
    """Kind and name of objects that could not be made at all."""
    problems: list[tuple[str, int, str]] = field(default_factory=list)


def load(paths: Sequence[Path], *, clustered: bool = False) -> Fleet:
    """Return the fleet that files and folders declare; raise `ManifestError` with a line per problem.

    What only a Kubernetes cluster can follow is a problem too, unless this is ``clustered``.
    """
    reading = _Reading()
    for path in paths:
        files = list(manifest_files([path]))
        if not files:
            reading.problems.append((str(path), 1, "no *.yaml in this folder; put your manifests here"))
        for file in files:
            _read(file, reading)
    fleet = Fleet(
        tuple(
            sorted((o for o in reading.objects if isinstance(o, PowerDomain)), key=lambda d: d.metadata.name)
        ),
        tuple(sorted((o for o in reading.objects if isinstance(o, InferencePool)), key=full_name)),
        tuple(sorted((o for o in reading.objects if isinstance(o, AgentWorkflow)), key=full_name)),
        tuple(
            sorted((o for o in reading.objects if isinstance(o, ModelProfile)), key=lambda p: p.metadata.name)
        ),
    )
    broken = frozenset(name for _, name in reading.broken)
    for problem in (*problems(fleet, broken), *(() if clustered else cluster_only(fleet))):
        path, document = reading.places[problem.kind, problem.name]
        where = f"{_dotted(problem.path)}: {problem.message} ({problem.kind} {problem.name})"
        reading.problems.append((str(path), document.line(problem.path), where))
    if reading.problems:
        lines = sorted(set(reading.problems))
        raise ManifestError("\n".join(f"{file}:{line}: {message}" for file, line, message in lines))
    return fleet


def manifest_files(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield the files that are read: those named, and the YAML files of folders, hidden ones left out."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for found in sorted(path.rglob("*.y*ml")):
            shown = not any(part.startswith(".") for part in found.relative_to(path).parts)
            if shown and found.suffix in {".yaml", ".yml"} and found.is_file():
                yield found


def _read(path: Path, reading: _Reading) -> None:
    try:
        for document in marks.documents(path.read_text(encoding="utf-8")):
            _take(path, document, reading)
    except marks.BadYamlError as error:
        reading.problems.append((str(path), error.line, f"not YAML: {error}"))
    except FileNotFoundError:
        reading.problems.append((str(path), 1, "there is no such file or folder"))
    except OSError as error:
        reading.problems.append((str(path), 1, f"cannot be read: {error.strerror}"))
    except UnicodeDecodeError as error:
        reading.problems.append((str(path), 1, f"not UTF-8: {error.reason} at byte {error.start}"))


def _take(path: Path, document: marks.Document, reading: _Reading) -> None:
    def refuse(where: marks.Path, message: str) -> None:
        reading.problems.append((str(path), document.line(where), f"{_dotted(where)}: {message}"))

    for where, line in document.repeated:
        reading.problems.append((str(path), line, f"{_dotted(where)}: stands twice; keep one of them"))
    data = document.data
    if not isinstance(data, dict):
        refuse((), f"expected an object with apiVersion, kind, metadata and spec, found {_shown(data)}")
        return
    version, kind = data.get("apiVersion"), data.get("kind")
    if version != f"{GROUP}/{VERSION}":
        refuse(("apiVersion",), f"expected {GROUP}/{VERSION}, found {_shown(version)}")
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        refuse(("kind",), f"expected {' or '.join(KINDS)}, found {_shown(kind)}{_meant(kind, KINDS)}")
    if model is None or version != f"{GROUP}/{VERSION}":
        return
    ours = _ours(data, model)
    try:
        made = _made(model, ours)
    except ValidationError as error:
        name = _name(data)
        for detail in error.errors(include_url=False):
            refuse(detail["loc"], f"{_expected(model, detail)} ({kind} {name})")
            _without(ours, detail["loc"])
        try:
            made = _made(model, ours)
        except ValidationError:
            reading.broken.add((model.__name__, name))
            return
    name = made.metadata.name if isinstance(made, PowerDomain | ModelProfile) else full_name(made)
    if (made.kind, name) in reading.places:
        first, other = reading.places[made.kind, name]
        refuse(("metadata", "name"), f"{made.kind} {name} stands in {first}:{other.line(())} already")
        return
    reading.places[made.kind, name] = (path, document)
    reading.objects.append(made)


def _name(data: dict[str, Any]) -> str:
    """Return the full name of what may not be a valid object."""
    meta = data.get("metadata")
    parts = [meta.get("namespace"), meta.get("name")] if isinstance(meta, dict) else []
    return "/".join(str(part) for part in parts if part) or "without a name"


def _made(model: type[Declared], data: Any) -> Declared:
    text = json.dumps(data, default=str)
    return model.model_validate_json(text, strict=True, extra="forbid", by_alias=True, by_name=False)


@cache
def _schema(model: type[Declared]) -> dict[str, Any]:
    return crds.schema(model)


def _without(data: Any, path: marks.Path) -> None:
    """Take one value out of nested data; list items keep their places, so that later paths still hold."""
    for part in path[:-1]:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return
    if path and isinstance(data, dict):
        data.pop(path[-1], None)


def _ours(data: dict[str, Any], model: type[Declared]) -> dict[str, Any]:
    """Return the object without what Kubernetes or a status writer put there, and without fields left empty."""
    ours = {key: value for key, value in data.items() if key != "status"}
    if isinstance(ours.get("metadata"), dict):
        ours["metadata"] = {k: v for k, v in ours["metadata"].items() if k not in KUBERNETES_METADATA}
    whole: dict[str, Any] = crds.without_nulls(ours, _schema(model))
    return whole


def _expected(model: type[BaseModel], detail: ErrorDetails) -> str:
    """Return what stands at a place and what was expected there."""
    loc, found = detail["loc"], _shown(detail["input"])
    match detail["type"]:
        case "extra_forbidden":
            fields = _fields(model, loc[:-1])
            return f"unknown field{_meant(loc[-1], fields)}; fields here: {', '.join(fields)}"
        case "missing":
            return f"required, but not there{_unit(loc, ', expected ')}"
        case "float_type" | "int_type" | "int_from_float" | "float_parsing" | "int_parsing" | "finite_number":
            return f"found {found}, expected {_unit(loc, '') or 'a number'}"
        case "less_than_equal" | "less_than" | "greater_than" | "greater_than_equal":
            return f"found {found}, {_bound(detail)}"
        case "string_pattern_mismatch":
            return (
                f"found {found}, expected {_PATTERNS.get(detail['ctx']['pattern'], detail['ctx']['pattern'])}"
            )
        case "tuple_type" | "list_type":
            return f"found {found}, expected a list, e.g. [{found}]"
        case "value_error":
            return str(detail.get("ctx", {}).get("error", detail["msg"]))
        case "enum" | "literal_error":
            choices = str(detail.get("ctx", {}).get("expected", ""))
            names = [word.strip("' ") for word in choices.replace(" or ", ",").split(",")]
            return f"found {found}, expected {choices}{_meant(detail['input'], names)}"
        case "string_type":
            return f"found {found}, expected text; put quotes around it"
    return f"found {found}, {detail['msg'][0].lower()}{detail['msg'][1:]}"


def _bound(detail: ErrorDetails) -> str:
    """Return the bound that a number does not keep, and whether it would in another unit."""
    sign, limit = {
        "less_than_equal": ("at most", "le"),
        "less_than": ("less than", "lt"),
        "greater_than": ("more than", "gt"),
        "greater_than_equal": ("at least", "ge"),
    }[detail["type"]]
    words = str(detail["loc"]).lower()
    unit = " W" if "watts" in words else " MHz" if "mhz" in words else ""
    text = f"expected {sign} {detail['ctx'][limit]:,.10g}{unit}"
    if limit == "le" and unit == " W" and detail["input"] / 1000 <= detail["ctx"][limit]:
        text += f"; if these are milliwatts, write {detail['input'] / 1000:.10g}"
    return text


def _fields(model: type[BaseModel], loc: marks.Path) -> list[str]:
    """Return the names of the fields that stand at a place of a model."""
    schema = model.model_json_schema()
    node: dict[str, Any] = schema
    for part in (*loc, None):
        while "$ref" in node or "anyOf" in node:
            node = node["anyOf"][0] if "anyOf" in node else schema["$defs"][node["$ref"].rpartition("/")[2]]
        if part is not None:
            node = (
                node.get("items", {}) if isinstance(part, int) else node.get("properties", {}).get(part, {})
            )
    return [name for name in node.get("properties", {}) if loc or name != "status"]


def _unit(loc: marks.Path, lead: str) -> str:
    for part in reversed(loc):
        words = str(part).lower()
        for unit, written in UNITS.items():
            if unit in words:
                return f"{lead}{written}"
    return ""


def _meant(word: object, known: Sequence[str] | dict[str, Any]) -> str:
    close = difflib.get_close_matches(str(word).lower(), {k.lower(): k for k in known}, n=1, cutoff=0.6)
    return f", did you mean {next(k for k in known if k.lower() == close[0])}?" if close else ""


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _dotted(path: marks.Path) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "document"
