"""What is announced is undone, backwards, whoever comes and however far it got."""

import pytest

from harness.command import HarnessError
from harness.journal import Journal


@pytest.fixture
def done():
    return []


@pytest.fixture
def journal(tmp_path, done):
    def note(what):
        done.append(what)

    def fail(what):
        done.append(what)
        raise HarnessError("busy")

    return Journal(tmp_path / "run/journal", {"note": note, "fail": fail})


def test_the_last_step_is_undone_first(journal, done):
    for what in "abc":
        journal.announce("note", what=what)

    assert journal.unwind() == []
    assert done == ["c", "b", "a"]
    assert not journal.pending


def test_another_program_can_undo_it(tmp_path, journal, done):
    journal.announce("note", what="a")

    other = Journal(tmp_path / "run/journal", {"note": lambda what: done.append(f"other {what}")})
    assert other.pending
    other.unwind()

    assert done == ["other a"]


def test_a_step_that_cannot_be_undone_stops_no_other_and_is_tried_again(journal, done):
    journal.announce("note", what="a")
    journal.announce("fail", what="b")
    journal.announce("note", what="c")

    assert journal.unwind() == ["fail: busy"]
    assert done == ["c", "b", "a"]
    assert journal.pending

    journal.unwind()
    assert done == ["c", "b", "a", "b"]


def test_an_announcement_that_was_cut_off_was_never_begun(tmp_path, journal, done):
    journal.announce("note", what="a")
    path = tmp_path / "run/journal"
    path.write_text(path.read_text() + '{"undo": "note", "argum')

    journal.unwind()

    assert done == ["a"]


def test_only_what_can_be_undone_is_announced(journal):
    with pytest.raises(KeyError):
        journal.announce("wish", what="a")
