"""KV memory that is kept for a next turn: a radix tree over extents, the longest unused given up first."""

from collections.abc import Hashable
from heapq import heapify, heappop, heappush

from wattline.model.context import Context


class Node:
    """A run of tokens after the tokens of its parent."""

    __slots__ = ("children", "end", "last_found", "last_used", "parent", "pins", "start", "stream")

    def __init__(
        self, stream: Hashable, start: int, end: int, parent: "Node | None", last_used: float
    ) -> None:
        self.stream = stream
        self.start = start
        self.end = end
        self.parent = parent
        self.children: dict[tuple[Hashable, int], Node] = {}
        self.last_found: Node | None = None
        """The child that was asked for last, most often asked for again: a look at it is cheaper than at all."""
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
        self._tidy_at = 1024
        """Length of the queue of unused nodes at which entries that say nothing any more are thrown away."""

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

    def hold_longest(self, context: Context, most: int) -> tuple[Node, int]:
        """Pin what ``matched_tokens`` says is in memory; return its last node and how many tokens there are."""
        node, inside, matched = self._walk(context, most)
        beyond = matched % self.block_tokens
        inside -= beyond
        while inside <= 0 and node.parent is not None:
            node = node.parent
            inside += node.end - node.start
        if inside < node.end - node.start:
            node = self._split(node, inside)
        self._pin(node)
        return node, matched - beyond

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
            parent.last_found = None
            node.parent = None
            if not parent.pins:
                self._offer(parent)
        self.tokens -= freed
        return freed

    def _walk(self, context: Context, limit: int) -> tuple[Node, int, int]:
        """Return the deepest node on a context's way, how far into it, and the tokens passed in all."""
        node, inside, matched = self._root, 0, 0
        for extent in context:
            stream, at, end = extent.stream, extent.start, extent.end
            cut = matched + end - at > limit
            if cut:
                end = at + limit - matched
            while at < end:
                size = node.end - node.start
                if inside == size:
                    child = node.last_found
                    if child is None or child.start != at or child.stream is not stream:
                        child = node.children.get((stream, at))
                        if child is None:
                            return node, inside, matched
                        node.last_found = child
                    node, inside = child, 0
                    size = node.end - node.start
                elif node.start + inside != at or (node.stream is not stream and node.stream != stream):
                    return node, inside, matched
                step = size - inside
                if step > end - at:  # noqa: PLR1730 - min() costs more than the rest of this round
                    step = end - at
                inside += step
                matched += step
                at += step
            if cut:
                break
        return node, inside, matched

    def _split(self, node: Node, inside: int) -> Node:
        """Cut a node in two; the old object stays the lower part, so that whoever pinned it still does."""
        parent = node.parent
        assert parent is not None
        upper = Node(node.stream, node.start, node.start + inside, parent, node.last_used)
        parent.children[upper.stream, upper.start] = upper
        parent.last_found = upper
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
            if len(self._unused) > self._tidy_at:
                self._tidy()

    def _tidy(self) -> None:
        """Forget entries of nodes that are gone or were used since; what is left keeps its order."""
        self._unused = [
            entry for entry in self._unused if entry[2].last_used == entry[0] and entry[2].parent is not None
        ]
        heapify(self._unused)
        self._tidy_at = 2 * len(self._unused) + 1024
