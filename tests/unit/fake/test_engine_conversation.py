"""Recorded contexts as messages."""

import json

from wattline.fake.conversation import Conversation
from wattline.fake.text import filler
from wattline.model.context import Extent
from wattline.model.runs import Turn


def text_of(messages: bytes) -> str:
    return "".join(message["content"] for message in json.loads(messages))


def roles(messages: bytes) -> list[str]:
    return [message["role"] for message in json.loads(messages)]


OPENING = Extent("opening", 0, 100)


def test_an_answer_stands_in_the_next_prompt_where_the_recording_has_the_output():
    conversation = Conversation()
    first = Turn((OPENING, Extent("own", 0, 50)), Extent("own", 50, 60), 1.0)
    second = Turn((OPENING, Extent("own", 0, 75)), Extent("own", 75, 80), 0.0)

    before = text_of(conversation.messages(first))
    conversation.answered(first, "A" * 40)
    messages = conversation.messages(second)

    assert roles(messages) == ["system", "user", "assistant", "user"]
    assert text_of(messages) == before + "A" * 40 + filler("own", 60, 75)


def test_an_output_the_recording_dropped_is_not_sent_again():
    conversation = Conversation()
    first = Turn((OPENING, Extent("own", 0, 50)), Extent("thought", 0, 10), 1.0)
    second = Turn((OPENING, Extent("own", 0, 55)), Extent("own", 55, 60), 0.0)
    before = text_of(conversation.messages(first))
    conversation.answered(first, "A" * 40)

    assert text_of(conversation.messages(second)) == before + filler("own", 50, 55)


def test_a_context_that_was_cut_or_compacted_is_sent_as_it_is_now():
    conversation = Conversation()
    first = Turn((OPENING, Extent("own", 0, 50)), Extent("own", 50, 60), 1.0)
    conversation.messages(first)
    conversation.answered(first, "A" * 40)

    cut = conversation.messages(Turn((OPENING, Extent("own", 0, 53)), Extent("own", 53, 60), 1.0))
    assert text_of(cut) == filler("opening", 0, 100) + filler("own", 0, 50) + "A" * 12

    compacted = conversation.messages(Turn((OPENING, Extent("new", 0, 20)), Extent("new", 20, 30), 1.0))
    assert text_of(compacted) == filler("opening", 0, 100) + filler("new", 0, 20)
    assert roles(compacted) == ["system", "user"]

    inside_the_opening = conversation.messages(Turn((Extent("opening", 0, 30),), Extent("new", 0, 1), 0.0))
    assert text_of(inside_the_opening) == filler("opening", 0, 30)


def test_an_answer_that_ended_early_is_filled_up_to_the_recorded_length():
    conversation = Conversation()
    first = Turn((Extent("own", 0, 5),), Extent("own", 5, 15), 1.0)
    conversation.messages(first)
    conversation.answered(first, "B" * 8)

    text = text_of(conversation.messages(Turn((Extent("own", 0, 20),), Extent("own", 20, 21), 0.0)))

    assert text == filler("own", 0, 5) + "B" * 8 + filler("own", 7, 20)
