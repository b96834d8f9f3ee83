"""Equal beginnings of text become equal beginnings of contexts."""

import random

from hypothesis import given
from hypothesis import strategies as st

from wattline.gateway.blocks import BLOCK_BYTES, Blocks
from wattline.model.context import shared_tokens, tokens


def text(seed, length):
    return random.Random(seed).randbytes(length)


def test_a_conversation_that_grows_is_one_extent_and_a_short_tail():
    blocks, said = Blocks(), b""
    for turn in range(50):
        said += text(turn, 3_000)
        context, known = blocks.context(said)
        assert tokens(context) == len(said)
        assert len(context) <= 2
        assert known == (len(said) - 3_000) // BLOCK_BYTES * BLOCK_BYTES


@given(
    shared=st.integers(0, 20_000),
    one=st.integers(0, 9_000),
    other=st.integers(0, 9_000),
    again=st.integers(0, 9_000),
)
def test_contexts_share_whole_blocks_and_never_more_than_their_text_does(shared, one, other, again):
    blocks, opening = Blocks(), text("opening", shared)
    texts = [opening + text(seed, length) for seed, length in (("one", one), ("other", other))]
    texts.append(texts[0] + text("again", again))
    contexts = [blocks.context(each)[0] for each in texts]

    assert [tokens(context) for context in contexts] == [len(each) for each in texts]
    assert shared_tokens(contexts[0], contexts[1]) == shared // BLOCK_BYTES * BLOCK_BYTES
    assert shared_tokens(contexts[0], contexts[2]) == len(texts[0]) // BLOCK_BYTES * BLOCK_BYTES


def test_the_same_block_after_another_beginning_is_another_block():
    blocks, tail = Blocks(), text("tail", 4 * BLOCK_BYTES)
    one, _ = blocks.context(text("a", BLOCK_BYTES) + tail)
    other, _ = blocks.context(text("b", BLOCK_BYTES) + tail)

    assert shared_tokens(one, other) == 0


def test_what_nobody_sends_any_more_is_forgotten_and_what_is_sent_stays():
    blocks, kept = Blocks(kept_blocks=50), text("kept", 10 * BLOCK_BYTES)
    first, _ = blocks.context(kept)
    for index in range(40):
        blocks.context(text(index, 10 * BLOCK_BYTES))
        context, known = blocks.context(kept)
        assert known == len(kept)
        assert context == first

    assert blocks.context(text(0, 10 * BLOCK_BYTES))[1] == 0
    assert len(blocks._young) + len(blocks._old) <= 130
