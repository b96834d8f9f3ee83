"""KV memory that is kept for a next turn: a radix tree over extents, the longest unused given up first."""

from collections.abc import Hashable
from heapq import heappop, heappush

from wattline.model.context import Context


class Node:
    """A run of tokens after the tokens of its parent."""

    __slots__ = ("children", "end", "last_used", "parent", "pins", "start", "stream")

    def __init__(
        self, stream: Hashable, start: int, end: int, parent: "Node | None", last_used: float
    ) -> None:
        self.stream = stream
        self.start = start
        self.end = end
        self.parent = parent
        self.children: dict[tuple[Hashable, int], Node] = {}
        self.pins = 0
        """Requests that end here, and children that are pinned."""
        self.last_used = last_used

    @property
    def tokens(self) -> int:
        """Number of tokens of this node alone."""
        return self.end - self.start


class PrefixTree:
    """Which prefixes are in memory. A node is in use while a request or a child holds it; the rest may be evicted."""

    def __init__(self, block_tokens: int) -> None:
        self.block_tokens = block_tokens
        self.tokens = 0
        """Tokens kept, in use or not."""
        self.pinned_tokens = 0
        """Tokens in use."""
        self._root = Node(None, 0, 0, None, 0.0)
        self._root.pins = 1
        self._unused: list[tuple[float, int, Node]] = []
        self._pushes = 0

    def matched_tokens(self, context: Context, most: int) -> int:
        """Return how many leading tokens of a context, ``most`` at most, are in memory, in whole blocks."""
        matched = self._walk(context, most)[2]
        return matched - matched % self.block_tokens

    def hold(self, context: Context, tokens: int) -> Node:
        """Pin the first ``tokens`` of a context, which must be in memory, and return their last node."""
        node, inside, matched = self._walk(context, tokens)
        if matched < tokens:
            raise ValueError(f"only {matched} of {tokens} tokens are in memory")
        if inside < node.tokens:
            node = self._split(node, inside)
        self._pin(node)
        return node

    def keep(self, context: Context, tokens: int, at_seconds: float) -> Node:
        """Put the whole blocks among the first ``tokens`` of a context into memory, pin them, return their last node."""
        tokens -= tokens % self.block_tokens
        node, inside, matched = self._walk(context, tokens)
        if inside < node.tokens:
            node = self._split(node, inside)
        passed = 0
        for extent in context:
            if passed >= tokens:
                break
            start = extent.start + max(0, matched - passed)
            end = min(extent.end, extent.start + tokens - passed)
            passed += extent.tokens
            if start < end:
                node = self._append(node, extent.stream, start, end, at_seconds)
        self._pin(node)
        return node

    def release(self, node: Node, at_seconds: float) -> None:
        """Undo one pin."""
        at: Node | None = node
        while at is not None:
            at.last_used = at_seconds
            at.pins -= 1
            if at.pins:
                return
            self.pinned_tokens -= at.tokens
            self._offer(at)
            at = at.parent

    def evict(self, tokens: float) -> int:
        """Give up at least ``tokens`` that nobody uses, the longest unused first, if there are as many; return how many."""
        freed = 0
        while freed < tokens and self._unused:
            last_used, _, node = heappop(self._unused)
            if node.children or node.pins or node.last_used != last_used or node.parent is None:
                continue
            missing = int(tokens - freed) + 1
            take = min(node.tokens, missing + -missing % self.block_tokens)
            node.end -= take
            freed += take
            if node.tokens:
                self._offer(node)
                continue
            parent = node.parent
            del parent.children[node.stream, node.start]
            node.parent = None
            if not parent.pins:
                self._offer(parent)
        self.tokens -= freed
        return freed

    def _walk(self, context: Context, limit: int) -> tuple[Node, int, int]:
        """Return the deepest node on a context's way, how far into it, and the tokens passed in all."""
        node, inside, matched = self._root, 0, 0
        for extent in context:
            at, end = extent.start, extent.end
            if matched + end - at > limit:
                end = at + limit - matched
            while at < end:
                if inside == node.tokens:
                    child = node.children.get((extent.stream, at))
                    if child is None:
                        return node, inside, matched
                    node, inside = child, 0
                if node.stream != extent.stream or node.start + inside != at:
                    return node, inside, matched
                step = min(node.tokens - inside, end - at)
                inside += step
                matched += step
                at += step
            if end < extent.end:
                break
        return node, inside, matched

    def _split(self, node: Node, inside: int) -> Node:
        """Cut a node in two; the old object stays the lower part, so that whoever pinned it still does."""
        parent = node.parent
        assert parent is not None
        upper = Node(node.stream, node.start, node.start + inside, parent, node.last_used)
        parent.children[upper.stream, upper.start] = upper
        node.start += inside
        node.parent = upper
        upper.children[node.stream, node.start] = node
        upper.pins = 1 if node.pins else 0
        return upper

    def _append(self, node: Node, stream: Hashable, start: int, end: int, at_seconds: float) -> Node:
        self.tokens += end - start
        if not node.pins and not node.children and node.stream == stream and node.end == start:
            node.end = end
            return node
        child = Node(stream, start, end, node, at_seconds)
        node.children[stream, start] = child
        return child

    def _pin(self, node: Node) -> None:
        at: Node | None = node
        while at is not None:
            at.pins += 1
            if at.pins > 1:
                return
            self.pinned_tokens += at.tokens
            at = at.parent

    def _offer(self, node: Node) -> None:
        if not node.children and node.parent is not None:
            self._pushes += 1
            heappush(self._unused, (node.last_used, self._pushes, node))
