"""Filler text, and how text becomes extents."""

import json
import random

import pytest

from wattline.fake.prefix import Prefixes
from wattline.fake.text import filler, tokens_of
from wattline.model.context import shared_tokens, tokens


def test_filler_is_four_plain_characters_a_token_and_any_part_of_it_is_the_same_text():
    whole = filler(("run", 7), 0, 100)

    assert tokens_of(whole.encode()) == 100
    assert json.dumps(whole) == f'"{whole}"'
    assert filler(("run", 7), 13, 57) == whole[13 * 4 : 57 * 4]
    assert filler(("run", 8), 0, 100) != whole
    assert filler("run", 5, 5) == ""


def test_a_conversation_that_only_grows_stays_one_extent():
    prefixes = Prefixes()
    text = b""
    for turn in range(30):
        text += filler(("user", turn), 0, 203).encode()
        output = filler(("assistant", turn), 0, 77).encode()
        context, generated = prefixes.place(text, output)
        text += output

    assert len(context) == 1
    assert tokens(context) == 30 * 203 + 29 * 77
    assert len(generated) == 1
    assert tokens(generated) == 77


@pytest.mark.parametrize("common", [0, 15, 16, 100, 1024, 1025, 5000])
def test_two_prompts_share_the_whole_blocks_they_have_in_common(common):
    prefixes = Prefixes()
    opening = filler("opening", 0, common).encode()

    one, _ = prefixes.place(opening + filler("one", 0, 3000).encode(), b"")
    other, _ = prefixes.place(opening + filler("other", 0, 3000).encode(), b"")

    assert shared_tokens(one, other) == common // 16 * 16


def test_the_next_prompt_holds_the_output_where_it_was_generated():
    prefixes = Prefixes()
    prompt, output = filler("p", 0, 1001).encode(), filler("o", 0, 501).encode()

    first, generated = prefixes.place(prompt, output)
    second, _ = prefixes.place(prompt + output + filler("tool", 0, 50).encode(), b"")

    assert shared_tokens(first + generated, second) >= 1501 // 16 * 16


def test_extents_say_what_bytes_say_for_any_tree_of_conversations():
    rng = random.Random(3)
    prefixes = Prefixes()
    texts: list[bytes] = [b""]
    placed = []
    for index in range(120):
        base = rng.choice(texts)
        text = (
            base[: rng.randrange(0, len(base) // 4 + 1) * 4]
            + filler(index, 0, rng.randrange(1, 900)).encode()
        )
        texts.append(text)
        placed.append((text, prefixes.place(text, b"")[0]))

    for text, context in placed:
        assert tokens(context) == len(text) // 4
        for other_text, other in placed:
            common = next((i for i, (a, b) in enumerate(zip(text, other_text, strict=False)) if a != b), None)
            common = min(len(text), len(other_text)) if common is None else common
            blocks = common // 64 * 16
            assert blocks <= shared_tokens(context, other) <= max(blocks, common // 4 + 15)
