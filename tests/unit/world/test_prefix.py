"""KV memory kept for a next turn."""

from hypothesis import given, settings
from hypothesis import strategies as st

from wattline.model.context import Context, Extent, head, shared_tokens, tokens
from wattline.world.prefix import Node, PrefixTree

OPENING = Extent("opening", 0, 1600)


def said(name: str, end: int, start: int = 0) -> Extent:
    return Extent(name, start, end)


def kept(tree: PrefixTree, *extents: Extent, at_seconds: float = 0.0) -> None:
    tree.release(tree.keep(extents, tokens(extents), at_seconds), at_seconds)


def recount(tree: PrefixTree) -> tuple[int, int]:
    """Tokens kept and in use, counted by hand."""
    todo, total, pinned = [tree._root], 0, 0
    while todo:
        node: Node = todo.pop()
        total += node.tokens
        pinned += node.tokens if node.pins else 0
        todo.extend(node.children.values())
        assert all(child.parent is node for child in node.children.values())
    return total, pinned


def test_a_next_turn_finds_what_the_last_one_left():
    tree = PrefixTree(16)
    kept(tree, OPENING, said("run", 800))
    assert tree.matched_tokens((OPENING, said("run", 1000)), 10_000) == 2400
    assert tree.tokens == 2400


def test_an_opening_is_kept_once_for_all_runs():
    tree = PrefixTree(16)
    for run in range(5):
        kept(tree, OPENING, said(f"run {run}", 160))
    assert tree.tokens == 1600 + 5 * 160
    assert tree.matched_tokens((OPENING, said("another", 160)), 10_000) == 1600


def test_only_whole_blocks_are_kept_and_found():
    tree = PrefixTree(16)
    kept(tree, said("run", 100))
    assert tree.tokens == 96
    assert tree.matched_tokens((said("run", 90),), 10_000) == 80
    assert tree.matched_tokens((said("run", 96),), 95) == 80


def test_a_context_that_was_cut_short_still_shares_its_beginning():
    tree = PrefixTree(16)
    kept(tree, said("run", 1600))
    kept(tree, said("run", 800), said("summary", 320))
    assert tree.tokens == 1600 + 320
    assert tree.matched_tokens((said("run", 800), said("summary", 320)), 10_000) == 1120
    assert tree.matched_tokens((said("run", 1600),), 10_000) == 1600


def test_the_longest_unused_goes_first_and_from_its_end():
    tree = PrefixTree(16)
    kept(tree, OPENING, said("old", 320), at_seconds=1.0)
    kept(tree, OPENING, said("new", 320), at_seconds=2.0)
    assert tree.evict(100) == 112
    assert tree.matched_tokens((OPENING, said("old", 320)), 10_000) == 1600 + 208
    assert tree.matched_tokens((OPENING, said("new", 320)), 10_000) == 1920
    tree.evict(500)
    assert tree.matched_tokens((OPENING,), 10_000) == 1600


def test_what_is_in_use_is_never_given_up():
    tree = PrefixTree(16)
    kept(tree, OPENING, said("paused", 320))
    node = tree.hold((OPENING, said("running", 16)), 1600)
    assert tree.pinned_tokens == 1600
    assert tree.evict(10_000) == 320
    assert tree.tokens == 1600
    tree.release(node, 3.0)
    assert tree.evict(10_000) == 1600
    assert tree.tokens == 0


CONTEXTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(1, 90)).map(lambda pair: said(pair[0], pair[1])),
    min_size=1,
    max_size=3,
).map(tuple)


@given(st.lists(st.tuples(CONTEXTS, st.sampled_from(["keep", "pin", "release", "evict"])), max_size=40))
@settings(max_examples=150, deadline=None)
def test_counts_are_right_and_matches_are_true_whatever_happens(steps: list[tuple[Context, str]]):
    tree = PrefixTree(4)
    pinned: list[tuple[Node, Context, int]] = []
    seen: list[Context] = []
    for number, (context, what) in enumerate(steps):
        if what == "keep":
            tree.release(tree.keep(context, tokens(context), number), number)
            seen.append(context)
        elif what == "pin":
            found = tree.matched_tokens(context, tokens(context))
            pinned.append((tree.hold(context, found), context, found))
        elif what == "release" and pinned:
            tree.release(pinned.pop()[0], number)
        elif what == "evict":
            tree.evict(tokens(context))
        assert (tree.tokens, tree.pinned_tokens) == recount(tree)
        matched = tree.matched_tokens(context, tokens(context))
        assert matched <= max((shared_tokens(context, other) for other in seen), default=0)
        for _, held, length in pinned:
            assert tree.matched_tokens(head(held, length), length) == length
    for node, _, _ in pinned:
        tree.release(node, len(steps))
    assert tree.pinned_tokens == 0
    tree.evict(10**9)
    assert tree.tokens == 0
