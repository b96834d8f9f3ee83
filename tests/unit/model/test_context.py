"""Contexts as extents behave as the token sequences they stand for."""

from hypothesis import given
from hypothesis import strategies as st

from wattline.model.context import Extent, head, joined, shared_tokens, tokens

extents = st.builds(
    lambda stream, start, length: Extent(stream, start, start + length),
    st.sampled_from("ab"),
    st.integers(0, 3),
    st.integers(0, 4),
)
contexts = st.lists(extents, max_size=6).map(tuple)


def written_out(context):
    return [(extent.stream, position) for extent in context for position in range(extent.start, extent.end)]


@given(contexts)
def test_joining_changes_no_token(context):
    assert written_out(joined(context)) == written_out(context)
    assert tokens(joined(context)) == len(written_out(context))


@given(contexts, contexts)
def test_shared_tokens_are_the_common_head_of_the_written_out_sequences(one, other):
    common = 0
    for left, right in zip(written_out(one), written_out(other), strict=False):
        if left != right:
            break
        common += 1

    assert shared_tokens(one, other) == shared_tokens(other, one) == common


@given(contexts, st.integers(0, 30))
def test_a_head_is_the_first_tokens(context, count):
    assert written_out(head(context, count)) == written_out(context)[:count]
