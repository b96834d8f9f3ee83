"""A plain value that keeps a JSON schema: what the fake model answers where a client asks for one."""

from collections.abc import Mapping
from typing import Any


def example(schema: Any) -> Any:
    """Return a value of a schema of the common kinds; what a schema leaves open is left out."""
    if not isinstance(schema, Mapping):
        return {}
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for choice in ("anyOf", "oneOf"):
        if schema.get(choice):
            return example(schema[choice][0])
    kind = schema.get("type", "object" if "properties" in schema else "string")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            return {name: example(inner) for name, inner in (schema.get("properties") or {}).items()}
        case "array":
            return [example(schema.get("items", {"type": "string"}))] * max(1, schema.get("minItems", 1))
        case "integer":
            return int(schema.get("minimum", 1))
        case "number":
            return schema.get("minimum", 1.0)
        case "boolean":
            return True
        case "null":
            return None
    return "word".ljust(schema.get("minLength", 0), "s")
