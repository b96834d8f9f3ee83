"""Clocks that jump do nothing: the agent's time is CLOCK_BOOTTIME, and the date is for people to read alone."""

import ast
from pathlib import Path

import pytest

import wattline_agent

SOURCES = sorted(Path(wattline_agent.__file__).parent.glob("*.py"))
DATES = {
    "reasons.py": "the date of a decision, for people",
    "sources.py": "the end of an emergency, for people",
    "network_process.py": "the same",
}
"""Where the date is read, and what for; nothing there compares or adds it."""
MONOTONIC = {"monotonic", "sleep"}
NOW = {"now", "utcnow", "today", "fromtimestamp", "localtime", "gmtime", "ctime"}


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((name.name, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from ((node.module, name.name) for name in node.names)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_part_of_the_agent_reads_a_clock_that_can_jump(path):
    tree = ast.parse(path.read_text())
    found = set(imported(tree))
    assert all(name in MONOTONIC for module, name in found if module == "time" and name != "time")
    reads = [
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    ]
    assert {attribute for module, attribute in reads if module == "time"} <= MONOTONIC
    assert not {attribute for module, attribute in reads if module in {"datetime", "date"}} & NOW
    dates = {name for module, name in found if module == "wattline.doors.clock"} - {"BootClock", "Clock"}
    assert not dates or path.name in DATES, f"{path.name} reads the date: {dates}"
