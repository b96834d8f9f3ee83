"""The messages a replayed agent sends: recorded contexts as text, growing turn by turn."""

import json
from collections.abc import Hashable, Iterator
from dataclasses import dataclass

from wattline.fake.text import BYTES_PER_TOKEN, filler
from wattline.model.context import Context, Extent, joined, shared_tokens
from wattline.model.runs import Turn


@dataclass(frozen=True, slots=True)
class _Message:
    body: bytes
    """JSON of one message."""
    end: int
    """Tokens of the context up to and with it."""


class Conversation:
    """One session's messages; a turn encodes only what is new in its context.

    What the engine answered stands in later prompts where the recording has the output; everything else is
    filler named by stream and place, so that contexts share in text exactly what they share in the recording.
    """

    def __init__(self) -> None:
        self._messages: list[_Message] = []
        self._context: Context = ()
        self._answers: dict[Hashable, list[tuple[int, int, str]]] = {}

    def messages(self, turn: Turn) -> bytes:
        """Return the JSON array of the turn's messages."""
        kept = shared_tokens(self._context, turn.context)
        while self._messages and self._messages[-1].end > kept:
            self._messages.pop()
        at = self._messages[-1].end if self._messages else 0
        for role, text in self._pieces(turn.context, at):
            at += len(text) // BYTES_PER_TOKEN
            message = json.dumps({"role": role, "content": text}, separators=(",", ":"))
            self._messages.append(_Message(message.encode(), at))
        self._context = turn.context
        return b"[" + b",".join(message.body for message in self._messages) + b"]"

    def answered(self, turn: Turn, text: str) -> None:
        """Remember what the engine answered; one that ended early is filled up to the recorded length."""
        output = turn.output
        missing = output.tokens - len(text) // BYTES_PER_TOKEN
        whole = text[: output.tokens * BYTES_PER_TOKEN] + filler(
            output.stream, output.end - missing, output.end
        )
        self._answers.setdefault(output.stream, []).append((output.start, output.end, whole))

    def _pieces(self, context: Context, skip: int) -> Iterator[tuple[str, str]]:
        """Yield role and text of everything after the first ``skip`` tokens."""
        opening = len(context) > 1
        at = 0
        for index, extent in enumerate(joined(context)):
            start = extent.start + min(extent.tokens, max(0, skip - at))
            at += extent.tokens
            role = "system" if opening and index == 0 else "user"
            yield from self._split(Extent(extent.stream, start, extent.end), role)

    def _split(self, extent: Extent, role: str) -> Iterator[tuple[str, str]]:
        at = extent.start
        for start, end, text in sorted(self._answers.get(extent.stream, ())):
            if end <= at or start >= extent.end:
                continue
            if start > at:
                yield role, filler(extent.stream, at, start)
            first, last = max(start, at), min(end, extent.end)
            yield "assistant", text[(first - start) * BYTES_PER_TOKEN : (last - start) * BYTES_PER_TOKEN]
            at = last
        if at < extent.end:
            yield role, filler(extent.stream, at, extent.end)
