"""Programs are built once for the same inputs, and a missing Go is said in one line."""

import dataclasses

import pytest

from harness import builds, command
from harness.command import HarnessError


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A Go module of its own."""
    (tmp_path / "tool").mkdir()
    (tmp_path / "tool/go.mod").write_text("module example.com/tool\n\ngo 1.26.0\n")
    (tmp_path / "tool/go.sum").write_text("")
    (tmp_path / "tool/main.go").write_text("package main\n\nfunc main() {}\n")
    monkeypatch.setattr(builds, "E2E", tmp_path)
    return builds.Program("tool", "tool")


def test_every_program_has_its_module_with_checksums():
    for program in builds.PROGRAMS.values():
        assert (program.folder / "go.sum").exists(), program.name


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            lambda folder: (folder / "main.go").write_text("package main\n\nfunc main() { }\n"),
            id="the source",
        ),
        pytest.param(lambda folder: (folder / "go.sum").write_text("x"), id="the checksums of what it uses"),
        pytest.param(
            lambda folder: (folder / "go.mod").write_text("module example.com/other\n"), id="the module"
        ),
    ],
)
def test_a_program_is_built_again_after_a_change_of(program, change):
    before = program.digest
    assert program.digest == before

    change(program.folder)

    assert program.digest != before


def test_a_program_is_built_again_with_other_flags(program):
    assert dataclasses.replace(program, tags="other").digest != program.digest
    assert dataclasses.replace(program, variables=(("main.version", "2"),)).digest != program.digest


def test_a_program_that_is_there_needs_no_go(program, tmp_path, monkeypatch):
    monkeypatch.setitem(builds.PROGRAMS, "tool", program)
    monkeypatch.setenv("PATH", "")
    target = builds.path_of("tool", tmp_path / "cache")
    target.parent.mkdir(parents=True)
    target.touch()

    assert builds.ensure("tool", tmp_path / "cache") == target
    assert builds.missing(("tool",), tmp_path / "cache") == []


def test_without_go_one_line_says_what_to_install(program, tmp_path, monkeypatch):
    monkeypatch.setitem(builds.PROGRAMS, "tool", program)
    monkeypatch.setenv("PATH", "")

    with pytest.raises(HarnessError) as caught:
        builds.ensure("tool", tmp_path / "cache")

    assert str(caught.value).startswith("missing: go; the cluster's programs need Go 1.26.0 or newer")
    assert "\n" not in str(caught.value)


def test_an_older_go_is_told_apart(program, tmp_path, monkeypatch):
    monkeypatch.setitem(builds.PROGRAMS, "tool", program)
    old = tmp_path / "bin/go"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho go1.25.3\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(old.parent))

    with pytest.raises(HarnessError, match=r"too old: go1\.25\.3; .* Go 1\.26\.0 or newer"):
        builds.ensure("tool", tmp_path / "cache")


def test_a_failure_is_told_by_its_last_words():
    with pytest.raises(HarnessError, match=r"sh -c .* ended with 3:\nwhy"):
        command.run(["sh", "-c", "echo why; exit 3"])
