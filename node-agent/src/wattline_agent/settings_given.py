"""Settings as people give them: a YAML or JSON file, an environment variable, and single ones on the command line."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from wattline_agent.settings import DEFAULTS, BadSettings, Settings, changed, flat

VARIABLE = "WATTLINE_SETTINGS"
"""Environment variable that holds them as one JSON or YAML object: how the chart gives them."""


def given(file: Path | None, variable: str, single: Iterable[str]) -> Settings:
    """Return the defaults with what was given in place; what is more special wins: a single one over the variable,
    the variable over the file. Raise ``BadSettings``.
    """
    texts = () if file is None else ((_read(file), str(file)),)
    wanted: dict[str, Any] = {}
    for text, where in (*texts, (variable, VARIABLE)):
        wanted |= flat(_parsed(text, where))
    wanted |= dict(_pair(each) for each in single)
    return changed(DEFAULTS, wanted)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings((f"{path}: {getattr(error, 'strerror', None) or error}",)) from error


def _parsed(text: str, where: str) -> Mapping[str, Any]:
    if not text.strip():
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        import yaml  # noqa: PLC0415 - an agent whose settings are JSON does without

        try:
            found = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise BadSettings((f"{where}: {error}",)) from error
    if not isinstance(found, dict):
        raise BadSettings((f"{where}: must be an object of settings",))
    return found


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise BadSettings((f"{text}: must be NAME=VALUE",))
    return name.strip(), value.strip()
