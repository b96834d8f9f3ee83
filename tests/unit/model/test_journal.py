"""The ring of decisions."""

import itertools

from wattline.model.journal import Journal, about


def journal(kept=3):
    ticks = itertools.count()
    return Journal(lambda: f"t{next(ticks)}", kept)


def test_it_remembers_the_last_decisions_and_forgets_older_ones():
    ring = journal()
    for i in range(5):
        ring.note("PowerNode/n1", f"budget {i} W", "shared")

    assert [each.what for each in ring.view().decisions] == ["budget 2 W", "budget 3 W", "budget 4 W"]
    assert [each.at for each in ring.view().decisions] == ["t2", "t3", "t4"]


def test_the_same_said_again_is_kept_once_until_something_else_was_said():
    ring = journal()
    said = [ring.note("PowerNode/n1", what, "why") for what in ("a", "a", "b", "a")]

    assert said == [True, False, True, True]


def test_decisions_are_found_by_their_object_whose_kind_may_be_written_in_any_case():
    ring = journal()
    ring.note(about("InferencePool", "agents", "coder"), "scaled", "asked for")
    ring.note(about("PowerDomain", None, "coder"), "held", "within budget")

    assert [each.what for each in ring.view("inferencepool/agents/coder").decisions] == ["scaled"]
    assert [each.what for each in ring.view("PowerDomain/coder").decisions] == ["held"]
    assert ring.view("PowerDomain/Coder").decisions == ()


def test_it_does_not_grow_with_the_objects_it_was_told_of():
    ring = journal()
    for i in range(1000):
        ring.note(f"Pod/agents/p{i}", "placed", "fits")

    assert len(ring._said) < 20
