"""What a model answered, judged by the schema its step gave: JSON that keeps it, or text as it is."""

import json
from collections.abc import Mapping
from typing import Any

import jsonschema


class NotAnAnswerError(Exception):
    """The model answered something else; asking again may help."""


class BadSchemaError(Exception):
    """The schema itself is wrong; asking again will not help."""


def check(schema: Mapping[str, Any]) -> None:
    """Raise `BadSchemaError` if a schema is none."""
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise BadSchemaError(f"the answer's schema is none: {error.message} at {error.json_path}") from error


def read(text: str, schema: Mapping[str, Any] | None) -> Any:
    """Return the value of an answer; raise `NotAnAnswerError` where it does not keep its schema."""
    if schema is None:
        return text
    try:
        value = json.loads(text)
    except ValueError as error:
        raise NotAnAnswerError(f"the answer is not JSON: {error}") from error
    problem = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(value))
    if problem is not None:
        raise NotAnAnswerError(f"the answer breaks its schema at {problem.json_path}: {problem.message}")
    return value
