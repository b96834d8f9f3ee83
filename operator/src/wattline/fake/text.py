"""Filler text: one token is four bytes, and the same place of the same stream is always the same text."""

import base64
import hashlib
from collections.abc import Hashable

BYTES_PER_TOKEN = 4
BLOCK_TOKENS = 16
BLOCK_BYTES = BLOCK_TOKENS * BYTES_PER_TOKEN
_DIGEST_BYTES = BLOCK_BYTES * 3 // 4  # base64 makes four characters of three bytes


def tokens_of(text: bytes) -> int:
    """Return how many tokens a text is; the last one may be short."""
    return -(-len(text) // BYTES_PER_TOKEN)


def filler(stream: Hashable, start: int, end: int) -> str:
    """Return the text of tokens ``[start, end)`` of a stream: four ASCII characters each, none that JSON escapes.

    Streams are told apart by their ``repr``, so strings, numbers and tuples of them make the same text in
    every process.
    """
    if end <= start:
        return ""
    first, last = start // BLOCK_TOKENS, -(-end // BLOCK_TOKENS)
    base = hashlib.blake2b(repr(stream).encode(), digest_size=_DIGEST_BYTES)
    blocks = bytearray()
    for index in range(first, last):
        block = base.copy()
        block.update(index.to_bytes(8, "little"))
        blocks += base64.b64encode(block.digest(), b"-_")
    skip = (start - first * BLOCK_TOKENS) * BYTES_PER_TOKEN
    return blocks[skip : skip + (end - start) * BYTES_PER_TOKEN].decode("ascii")
