"""Text to extents: names every prompt so that equal beginnings get equal names.

The engine model knows contexts as extents of token streams, HTTP brings text. Text is cut into blocks of
16 tokens as vLLM's prefix cache does, each named by the hash of all blocks up to it. A block that continues
the newest block of a stream joins that stream; one that continues an older block starts a stream of its own.
A conversation that only grows is therefore one extent, however many turns it has.
"""

from itertools import count
from typing import NamedTuple

from wattline.fake.text import BLOCK_BYTES, BLOCK_TOKENS, tokens_of
from wattline.model.context import Context, Extent, head

_SPAN_BLOCKS = 64
_SPAN_BYTES = _SPAN_BLOCKS * BLOCK_BYTES
_ROOT = 0


class _Piece(NamedTuple):
    stream: int
    start: int
    end: int


class Prefixes:
    """Every text an engine host has seen, as a forest of named blocks."""

    def __init__(self) -> None:
        self._stream_of: dict[int, int] = {}
        """Chained hash of a block: its stream."""
        self._tip_of: dict[int, int] = {}
        """Stream: chained hash of its newest block."""
        self._spans: dict[int, tuple[int, tuple[_Piece, ...]]] = {}
        """Chained hash of spans of 64 blocks: the block hash there and the extents so far."""
        self._new_stream = count(1)

    def place(self, prompt: bytes, output: bytes) -> tuple[Context, Context]:
        """Return the extents of a prompt and of the output that will follow it.

        A prompt ends on a token boundary: its length is a multiple of four bytes.
        """
        whole = self._read(prompt + output)
        prompt_tokens = tokens_of(prompt)
        return head(whole, prompt_tokens), _after(whole, prompt_tokens)

    def _read(self, text: bytes) -> Context:
        chain, pieces, block, span_chain = self._known_spans(text)
        blocks = len(text) // BLOCK_BYTES
        found = list(pieces)
        stream = found[-1].stream if found else 0
        while block < blocks:
            parent, chain = chain, hash((chain, text[block * BLOCK_BYTES : (block + 1) * BLOCK_BYTES]))
            known = self._stream_of.get(chain)
            if known is None:
                if self._tip_of.get(stream) != parent:
                    stream = next(self._new_stream)
                self._stream_of[chain] = stream
                self._tip_of[stream] = chain
            else:
                stream = known
            _append(found, stream, block * BLOCK_TOKENS, (block + 1) * BLOCK_TOKENS)
            block += 1
            if block % _SPAN_BLOCKS == 0:
                span_chain = hash(
                    (span_chain, text[(block - _SPAN_BLOCKS) * BLOCK_BYTES : block * BLOCK_BYTES])
                )
                self._spans[span_chain] = (chain, tuple(found))
        rest = text[blocks * BLOCK_BYTES :]
        if rest:
            if self._tip_of.get(stream) != chain:
                stream = next(self._new_stream)
            _append(found, stream, blocks * BLOCK_TOKENS, blocks * BLOCK_TOKENS + tokens_of(rest))
        return tuple(Extent(*piece) for piece in found)

    def _known_spans(self, text: bytes) -> tuple[int, tuple[_Piece, ...], int, int]:
        """Jump over the spans seen before; long prompts differ from earlier ones only near their end."""
        chain, span_chain, position = _ROOT, _ROOT, 0
        pieces: tuple[_Piece, ...] = ()
        while position + _SPAN_BYTES <= len(text):
            key = hash((span_chain, text[position : position + _SPAN_BYTES]))
            known = self._spans.get(key)
            if known is None:
                break
            span_chain = key
            chain, pieces = known
            position += _SPAN_BYTES
        return chain, pieces, position // BLOCK_BYTES, span_chain


def _append(found: list[_Piece], stream: int, start: int, end: int) -> None:
    if found and found[-1].stream == stream and found[-1].end == start:
        start = found.pop().start
    found.append(_Piece(stream, start, end))


def _after(context: Context, count_tokens: int) -> Context:
    """Return what follows the first ``count_tokens`` tokens of a context."""
    out: list[Extent] = []
    for extent in context:
        skip = min(count_tokens, extent.tokens)
        count_tokens -= skip
        if skip < extent.tokens:
            out.append(Extent(extent.stream, extent.start + skip, extent.end))
    return tuple(out)
