"""Prompt text to extents: equal beginnings get equal names, so that the ledger counts them once.

Text is cut into blocks, each named by the hash of all text up to its end. A block that continues the newest
block of a stream joins that stream, one that continues an older block starts a stream of its own; a
conversation that only grows is one extent. Extents count bytes.
"""

from itertools import count

from wattline.model.context import Context, Extent, joined

BLOCK_BYTES = 1024
"""About 256 tokens: an error of one block in a shared opening of 13 k tokens is 2 %."""

KEPT_BLOCKS = 200_000
"""Blocks kept of each generation; 200 MB of prompt text in about 40 MB of memory."""


class Blocks:
    """The prompt blocks that a pool has seen lately."""

    def __init__(self, kept_blocks: int = KEPT_BLOCKS) -> None:
        self._kept = kept_blocks
        self._young: dict[int, tuple[int, int]] = {}
        """Chained hash of a block: its stream, and its place in it."""
        self._old: dict[int, tuple[int, int]] = {}
        self._tip: dict[int, int] = {}
        """Stream: place of its newest block."""
        self._names = count(1)

    def context(self, text: bytes) -> tuple[Context, int]:
        """Return a text's extents, and how many bytes of its beginning were seen before."""
        extents: list[Extent] = []
        chain, known, last = 0, 0, (0, -1)
        start, run = (0, 0), 0
        for at in range(0, len(text) - BLOCK_BYTES + 1, BLOCK_BYTES):
            chain = hash((chain, text[at : at + BLOCK_BYTES]))
            place = self._young.get(chain) or self._old.get(chain)
            if place is None:
                place = self._named(last)
            else:
                known = at + BLOCK_BYTES
            self._young[chain] = place
            if run and place == (last[0], last[1] + 1):
                run += 1
            else:
                _append(extents, start, run)
                start, run = place, 1
            last = place
        _append(extents, start, run)
        tail = len(text) % BLOCK_BYTES
        if tail:
            extents.append(Extent(-next(self._names), 0, tail))
        if len(self._young) > self._kept:
            self._old, self._young = self._young, {}
            self._tip = {stream: tip for stream, tip in self._tip.items() if stream >= self._oldest()}
        return joined(extents), known

    def _named(self, parent: tuple[int, int]) -> tuple[int, int]:
        stream, place = parent
        if self._tip.get(stream) == place:
            place += 1
        else:
            stream, place = next(self._names), 0
        self._tip[stream] = place
        return stream, place

    def _oldest(self) -> int:
        return min((stream for stream, _ in self._old.values()), default=0)


def _append(extents: list[Extent], start: tuple[int, int], blocks: int) -> None:
    if blocks:
        stream, place = start
        extents.append(Extent(stream, place * BLOCK_BYTES, (place + blocks) * BLOCK_BYTES))
