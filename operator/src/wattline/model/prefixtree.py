"""A set of contexts in which every shared beginning exists once, with counts of who holds what."""

from collections.abc import Hashable

from wattline.model.context import Context, joined


class Held:
    """One stretch of tokens; a holder keeps the last one of its context and with it all before."""

    __slots__ = ("children", "end", "holders", "parent", "start", "stream")

    def __init__(self, stream: Hashable, start: int, end: int, parent: "Held | None") -> None:
        self.stream = stream
        self.start = start
        self.end = end
        self.parent = parent
        self.holders = 0
        self.children: dict[tuple[Hashable, int], Held] = {}


class PrefixTree:
    """Contexts held by sessions; a token counts once however many contexts begin with it."""

    def __init__(self) -> None:
        self._root = Held(None, 0, 0, None)
        self.units = 0
        """Unique tokens (or whatever the extents count in) held."""

    def hold(self, context: Context) -> Held:
        """Add a context and return what ``release`` takes."""
        node = self._root
        for extent in joined(context):
            at = extent.start
            while at < extent.end:
                key = (extent.stream, at)
                child = node.children.get(key)
                if child is None:
                    child = Held(extent.stream, at, extent.end, node)
                    node.children[key] = child
                    self.units += extent.end - at
                elif child.end > extent.end:
                    child = self._split(child, extent.end)
                child.holders += 1
                node, at = child, child.end
        return node

    def release(self, last: Held) -> None:
        """Take a held context out again."""
        node = last
        while node.parent is not None:
            node.holders -= 1
            if node.holders == 0:
                del node.parent.children[node.stream, node.start]
                self.units -= node.end - node.start
            node = node.parent

    def shared(self, context: Context) -> int:
        """Return how much of a context's beginning is held already."""
        node, found = self._root, 0
        for extent in joined(context):
            at = extent.start
            while at < extent.end:
                child = node.children.get((extent.stream, at))
                if child is None:
                    return found
                step = min(child.end, extent.end) - at
                found += step
                at += step
                if at < child.end:
                    return found
                node = child
        return found

    def _split(self, node: Held, at: int) -> Held:
        """Return a new upper part that ends at ``at``; the node itself stays the lower part, for its holders."""
        assert node.parent is not None
        upper = Held(node.stream, node.start, at, node.parent)
        upper.holders = node.holders
        node.parent.children[node.stream, node.start] = upper
        node.start, node.parent = at, upper
        upper.children[node.stream, at] = node
        return upper
