"""Decisions in words."""

import pytest

from wattline.controller.telling import tell_action
from wattline.model.actions import Apply, Delete, Forget, Label, Place, Say, Scale, Taint


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (Apply({"kind": "Job", "metadata": {"name": "j", "namespace": "a"}}), ("Job/a/j", "applied")),
        (Delete("apps/v1", "Deployment", "a", "d"), ("Deployment/a/d", "deleted")),
        (Scale("a", "apps/v1", "Deployment", "d", 3), ("Deployment/a/d", "scaled to 3")),
        (Place("a", "p", "uid", "7", ("n1", "n2")), ("Pod/a/p", "may run on n1, n2")),
        (Taint("n1", present=True), ("Node/n1", "tainted uncapped")),
        (Taint("n1", present=False), ("Node/n1", "no longer tainted")),
        (Label("n1", "k", "v"), ("Node/n1", "labelled k=v")),
        (Label("n1", "k", None), ("Node/n1", "label k taken away")),
        (Forget("n1"), ("PowerNode/n1", "deleted")),
        (Say("Pod", "a", "p", "Gated", "it waits"), ("Pod/a/p", "Gated")),
    ],
)
def test_every_action_says_what_it_is_about_what_was_done_and_why(action, words):
    of, what, why = tell_action(action)

    assert (of, what) == words
    assert why
