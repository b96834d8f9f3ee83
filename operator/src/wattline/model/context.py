"""Contexts as extents of token streams: a 500,000-token prompt in a handful of numbers."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Extent:
    """Tokens ``[start, end)`` of a named token stream.

    Two contexts share KV memory exactly as far as their tokens are the same from the first one on, which for
    extents means: same stream and same positions.
    """

    stream: Hashable
    start: int
    end: int

    @property
    def tokens(self) -> int:
        """Number of tokens."""
        return self.end - self.start


Context = tuple[Extent, ...]


def tokens(context: Iterable[Extent]) -> int:
    """Return the length of a context."""
    total = 0
    for extent in context:
        total += extent.end - extent.start
    return total


def joined(extents: Iterable[Extent]) -> Context:
    """Return the same tokens with neighbours that continue each other merged and empty ones left out."""
    context = tuple(extents)
    if not _joinable(context):
        return context
    out: list[Extent] = []
    for extent in context:
        if extent.end <= extent.start:
            continue
        if out and out[-1].stream == extent.stream and out[-1].end == extent.start:
            out[-1] = Extent(extent.stream, out[-1].start, extent.end)
        else:
            out.append(extent)
    return tuple(out)


def _joinable(context: Context) -> bool:
    """Whether joining would change anything."""
    before: Extent | None = None
    for extent in context:
        if extent.end <= extent.start:
            return True
        if before is not None and before.end == extent.start and before.stream == extent.stream:
            return True
        before = extent
    return False


def shared_tokens(one: Context, other: Context) -> int:
    """Return how many leading tokens two contexts have in common."""
    left, right = list(joined(one)), list(joined(other))
    shared = 0
    i = j = 0
    while i < len(left) and j < len(right):
        a, b = left[i], right[j]
        if a.stream != b.stream or a.start != b.start:
            return shared
        step = min(a.tokens, b.tokens)
        shared += step
        left[i] = Extent(a.stream, a.start + step, a.end)
        right[j] = Extent(b.stream, b.start + step, b.end)
        i += left[i].tokens == 0
        j += right[j].tokens == 0
    return shared


def head(context: Context, count: int) -> Context:
    """Return the first ``count`` tokens of a context."""
    out: list[Extent] = []
    for extent in context:
        if count <= 0:
            break
        out.append(Extent(extent.stream, extent.start, min(extent.end, extent.start + count)))
        count -= extent.tokens
    return tuple(out)
