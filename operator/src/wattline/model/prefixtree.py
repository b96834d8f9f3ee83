"""A set of contexts in which every shared beginning exists once, with counts of who holds what."""

from collections.abc import Hashable

from wattline.model.context import Context, joined


class Held:
    """One stretch of tokens; a holder keeps the last one of its context and with it all before."""

    __slots__ = ("children", "end", "holders", "last_found", "parent", "start", "stream")

    def __init__(self, stream: Hashable, start: int, end: int, parent: "Held | None") -> None:
        self.stream = stream
        self.start = start
        self.end = end
        self.parent = parent
        self.holders = 0
        self.children: dict[tuple[Hashable, int], Held] = {}
        self.last_found: Held | None = None
        """The child that was asked for last, most often asked for again: a look at it is cheaper than at all."""

    def child(self, stream: Hashable, at: int) -> "Held | None":
        """Return the stretch that goes on here with these tokens."""
        last = self.last_found
        if last is not None and last.start == at and last.stream is stream:
            return last
        found = self.children.get((stream, at))
        if found is not None:
            self.last_found = found
        return found


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
                child = node.child(extent.stream, at)
                if child is None:
                    child = Held(extent.stream, at, extent.end, node)
                    node.children[extent.stream, at] = child
                    self.units += extent.end - at
                elif child.end > extent.end:
                    child = _split(child, extent.end)
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
                node.parent.last_found = None
                self.units -= node.end - node.start
            node = node.parent

    def shared(self, context: Context) -> int:
        """Return how much of a context's beginning is held already."""
        return _shared(self._root, context)


class Known:
    """Contexts that were seen once and are never forgotten: what goes on where one ended is stored with it."""

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root = Held(None, 0, 0, None)

    def add(self, context: Context) -> None:
        """Remember a context and with it every beginning of it."""
        node = self._root
        for extent in joined(context):
            stream, at, end = extent.stream, extent.start, extent.end
            while at < end:
                child = node.child(stream, at)
                if child is None:
                    if not node.children and node.end == at and node.stream == stream:
                        node.end = end
                        break
                    child = node.children[stream, at] = Held(stream, at, end, node)
                elif child.end > end:
                    child = _split(child, end)
                node, at = child, child.end

    def shared(self, context: Context) -> int:
        """Return how much of a context's beginning was seen."""
        return _shared(self._root, context)


def _shared(root: Held, context: Context) -> int:
    node, found = root, 0
    for extent in joined(context):
        at = extent.start
        while at < extent.end:
            child = node.child(extent.stream, at)
            if child is None:
                return found
            if child.end > extent.end:
                return found + extent.end - at
            found += child.end - at
            node, at = child, child.end
    return found


def _split(node: Held, at: int) -> Held:
    """Return a new upper part that ends at ``at``; the node itself stays the lower part, for its holders."""
    assert node.parent is not None
    upper = Held(node.stream, node.start, at, node.parent)
    upper.holders = node.holders
    node.parent.children[node.stream, node.start] = upper
    node.parent.last_found = upper
    node.start, node.parent = at, upper
    upper.children[node.stream, at] = node
    return upper
