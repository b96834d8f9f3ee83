"""KV memory of a replica: what sequences hold of the prefix tree, and what only they hold."""

from wattline.model.context import Context
from wattline.world.prefix import PrefixTree
from wattline.world.sequence import Sequence


class KvMemory:
    """So many tokens; the tokens decoded since a sequence joined the batch are counted by the batch, not here."""

    def __init__(self, capacity_tokens: int, block_tokens: int) -> None:
        self.capacity_tokens = capacity_tokens
        self.block_tokens = block_tokens
        self._tree = PrefixTree(block_tokens)
        self._reserved_tokens = 0

    @property
    def used_tokens(self) -> int:
        """Tokens that sequences of the batch hold."""
        return self._tree.pinned_tokens + self._reserved_tokens

    @property
    def kept_tokens(self) -> int:
        """Tokens that sequences hold, or that are kept for a next turn."""
        return self._tree.tokens + self._reserved_tokens

    def take_in(self, sequence: Sequence, grown_tokens: float, at_seconds: float) -> bool:
        """Find what of a prompt is there and reserve room for the rest; say whether there was room."""
        node, cached = self._tree.hold_longest(sequence.prompt, sequence.prompt_tokens - 1)
        needed = sequence.prompt_tokens - cached
        if not self.make_room(needed, grown_tokens):
            self._tree.release(node, at_seconds)
            return False
        sequence.node, sequence.reserved_tokens, sequence.computed_tokens = node, needed, cached
        self._reserved_tokens += needed
        return True

    def keep(
        self, sequence: Sequence, context: Context, tokens: int, at_seconds: float, *, tail: bool = False
    ) -> None:
        """Turn what a sequence computed on its own into memory that others find; its last block may stay its own."""
        assert sequence.node is not None
        self._tree.release(sequence.node, at_seconds)
        sequence.node = self._tree.keep(context, tokens, at_seconds)
        self._reserved_tokens -= sequence.reserved_tokens
        sequence.reserved_tokens = tokens % self.block_tokens if tail else 0
        self._reserved_tokens += sequence.reserved_tokens

    def let_go(self, sequence: Sequence, context: Context, tokens: int, at_seconds: float) -> None:
        """Give up what a sequence holds; the first ``tokens`` of a context stay while nobody needs the room."""
        self.keep(sequence, context, tokens, at_seconds)
        assert sequence.node is not None
        self._tree.release(sequence.node, at_seconds)
        sequence.node = None

    def matched_tokens(self, context: Context) -> int:
        """Return how many leading tokens of a context are here."""
        return self._tree.matched_tokens(context, sum(extent.tokens for extent in context))

    def bring(self, context: Context, tokens: int, grown_tokens: float, at_seconds: float) -> None:
        """Keep the first ``tokens`` of a context for a next turn, if there is room for what is missing."""
        here = self._tree.matched_tokens(context, tokens)
        held = self._tree.hold(context, here)
        if self.make_room(tokens - here, grown_tokens):
            self._tree.release(self._tree.keep(context, tokens, at_seconds), at_seconds)
        self._tree.release(held, at_seconds)

    def free_tokens(self, grown_tokens: float) -> float:
        """Return the room that is left."""
        return self.capacity_tokens - self._tree.tokens - self._reserved_tokens - grown_tokens

    def make_room(self, tokens: float, grown_tokens: float) -> bool:
        """Make room for so many tokens, paused contexts giving way; say whether there is room."""
        missing = tokens - self.free_tokens(grown_tokens)
        if missing <= 0:
            return True
        if self._tree.tokens - self._tree.pinned_tokens < missing:
            return False
        self._tree.evict(missing)
        return True
