"""Writes docs/reference/agent-settings.md from the settings: their names, defaults, and the words below each field."""

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

from wattline_agent import bands, settings
from wattline_agent.settings import DEFAULTS, ORDERED, named

HEAD = """\
# Settings of the node agent

Every timeout and period of `wattline-node-agent run`. Seconds are world seconds (CLOCK_BOOTTIME times `--speed`), except
those whose name says `wall`. Written from the code by `make settings`.

| given by | |
|---|---|
| `--set NAME=VALUE` | one, before all others; repeatable |
| `WATTLINE_SETTINGS` | one JSON or YAML object |
| `--settings FILE`, `WATTLINE_SETTINGS_FILE` | a YAML or JSON file |
| `agent.settings` of the chart | the same object: `--set agent.settings.probe_seconds=20` |

An agent does not start under settings that are unknown, no numbers, or contradict each other: it names each problem and
ends with code 3. Parts may be written as objects (`heat: {hold_celsius: 12}`) or with a dot (`heat.hold_celsius`).

| setting | default | what it is |
|---|---|---|
"""
TAIL = """
## What contradicts what

| must not be above | | because |
|---|---|---|
"""


def reference() -> str:
    """Return the page."""
    words = {**_words(settings, "Settings"), **{f"heat.{k}": v for k, v in _words(bands, "Bands").items()}}
    rows = [
        f"| `{name}` | {str(value).lower() if isinstance(value, bool) else f'{value:g}'} | {words[name]} |"
        for name, value in named(DEFAULTS).items()
    ]
    order = [f"| `{less}` | `{more}` | {why} |" for less, more, why in ORDERED]
    heat = (
        "\nOf the thermal loop, `heat.emergency_celsius` ≤ `heat.tighten_celsius` ≤ `heat.hold_celsius`, both ratios are "
        "shares, and it\nmust not rise faster than it falls.\n"
    )
    return HEAD + "\n".join(rows) + "\n" + TAIL + "\n".join(order) + "\n" + heat


def _words(module: object, name: str) -> dict[str, str]:
    """Return the text below each field of a class, in one line."""
    tree = ast.parse(inspect.getsource(module))  # type: ignore[arg-type]  # a module is what it takes
    found = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    return dict(_pairs(found))


def _pairs(found: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, text in zip(found.body, found.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            yield field.target.id, " ".join(str(text.value.value).split()).replace("``", "`")


def main() -> int:
    """Write the page to the path given, or with --check say whether it is what it should be."""
    path = Path(sys.argv[1])
    if "--check" in sys.argv:
        if path.read_text() == reference():
            return 0
        print(f"{path} is not what the settings say: run `make settings`")  # noqa: T201 - a command's answer
        return 1
    path.write_text(reference())
    return 0


if __name__ == "__main__":
    sys.exit(main())
