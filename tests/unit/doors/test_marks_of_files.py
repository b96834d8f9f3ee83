"""What tells that a file changed without reading it."""

import os

import pytest

from wattline.doors.state import mark, marks, replace


def of_another_time(path):
    os.utime(path, ns=(1, 1))


def replaced_at_the_same_time(path):
    at = path.stat().st_mtime_ns
    replace(path, "one\n")
    os.utime(path, ns=(at, at))


def longer_at_the_same_time(path):
    at = path.stat().st_mtime_ns
    path.write_text("one more\n")
    os.utime(path, ns=(at, at))


@pytest.mark.parametrize(
    "change", [of_another_time, replaced_at_the_same_time, longer_at_the_same_time, os.unlink]
)
def test_a_file_that_changes_has_another_mark(tmp_path, change):
    path = tmp_path / "a.yaml"
    path.write_text("one\n")
    before = mark(path)

    change(path)

    assert before is not None
    assert mark(path) != before


def test_a_file_that_is_read_keeps_its_mark(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("one\n")
    before = mark(path)

    path.read_text()

    assert mark(path) == before


@pytest.mark.parametrize("path", ["gone.yaml", "file/below.yaml"])
def test_what_cannot_be_looked_at_has_none(tmp_path, path):
    (tmp_path / "file").write_text("one\n")

    assert mark(tmp_path / path) is None
    assert marks([tmp_path / path]) == frozenset()


def test_one_file_more_is_another_set_of_marks(tmp_path):
    one, two = tmp_path / "a.yaml", tmp_path / "b.yaml"
    one.write_text("one\n")
    before = marks([one, two])

    two.write_text("two\n")

    assert marks([one, two]) > before
