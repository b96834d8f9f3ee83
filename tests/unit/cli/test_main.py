"""The table of commands names what exists and says what is missing."""

import importlib
import sys

import click
import pytest
from click.testing import CliRunner

import wattline.cli
from wattline.cli.main import COMMANDS, main


def test_help_lists_every_command_without_importing_one():
    loaded = set(sys.modules)
    result = CliRunner().invoke(main, ["--help"])

    assert result.exit_code == 0
    assert all(command in result.output for command in COMMANDS)
    assert not {name for name in set(sys.modules) - loaded if name.startswith("wattline.cli.")}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_table_exists(command):
    name = command.replace("-", "_")
    found = getattr(importlib.import_module(f"wattline.cli.{name}"), name)

    assert isinstance(found, click.Command)
    assert found.name == command


def test_a_word_that_is_no_command_is_refused():
    result = CliRunner().invoke(main, ["simulatte"])

    assert result.exit_code == 2
    assert "simulatte" in result.output


def test_a_missing_extra_is_named_with_its_remedy(monkeypatch, tmp_path):
    (tmp_path / "lacking.py").write_text("import package_of_an_extra\n")
    monkeypatch.setattr(wattline.cli, "__path__", [*wattline.cli.__path__, str(tmp_path)])
    monkeypatch.setitem(COMMANDS, "lacking", "Need a package of an extra.")
    result = CliRunner().invoke(main, ["lacking"])

    assert result.exit_code == 1
    assert "`wattline lacking` needs the Python package package_of_an_extra: pip install" in result.output
