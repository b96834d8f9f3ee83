"""Anonymised Claude Code sessions of kv-cache-tester: requests with their blocks become runs of a session."""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass

from wattline.model.context import Context, Extent, joined, tokens
from wattline.model.runs import Run, Turn
from wattline.sim.recording import Session, Shared

BLOCK_TOKENS = 64
"""Of the tables; the original files say theirs."""

LONGEST_THINK_SECONDS = 600.0
"""Human think time is cut here, so that a session's runs stay within one simulated day (p90 is 1277 s)."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call of an agent or of one of its sub-agents."""

    context: Context
    output_tokens: int
    think_seconds: float
    """Between the end of the one before it and this one."""
    from_human: bool


@dataclass(frozen=True, slots=True)
class Called:
    """A sub-agent that an agent waited for."""

    parent: str
    child: str
    after: int
    """Number of the parent's request that it follows; -1 for none."""


def session(
    trace: str, scopes: dict[str, list[Request]], called: Iterable[Called], opening: Extent | None
) -> Session:
    """Return a session; text from a human starts a new run of it.

    The parent waits for its sub-agents, whose turns therefore stand where it called them; a sub-agent that nobody
    called is a run of its own.
    """
    harness = opening.stream.harness if opening and isinstance(opening.stream, Shared) else "claude-code"
    placed: dict[tuple[str, int], list[str]] = {}
    for each in called:
        if each.child in scopes and each.child not in ("", each.parent) and each.parent in scopes:
            after = min(max(0, each.after), len(scopes[each.parent]) - 1)
            placed.setdefault((each.parent, after), []).append(each.child)

    def chain(scope: str) -> Iterator[tuple[str, Request]]:
        for position, request in enumerate(scopes[scope]):
            yield scope, request
            for child in placed.get((scope, position), ()):
                yield from chain(child)

    children = {child for group in placed.values() for child in group}
    runs: list[Run] = []
    thinks: list[float] = []
    for root in (scope for scope in scopes if scope not in children):
        turns: list[tuple[str, Request]] = []
        for scope, request in chain(root):
            if turns and scope == root and request.from_human:
                runs.append(_run(trace, len(runs), harness, turns))
                turns = []
            if not turns:
                thinks.append(min(request.think_seconds, LONGEST_THINK_SECONDS) if runs else 0.0)
            turns.append((scope, request))
        if turns:
            runs.append(_run(trace, len(runs), harness, turns))
    return Session(tuple(runs), tuple(thinks))


def _run(trace: str, number: int, harness: str, requests: list[tuple[str, Request]]) -> Run:
    gaps = [
        0.0 if request.from_human else request.think_seconds for _, request in requests[1:]
    ]  # a sub-agent's first prompt is its parent's text, without a pause before it
    turns = tuple(
        Turn(
            request.context,
            Extent((trace, scope, "out", number, place), 0, request.output_tokens),
            gap,
        )
        for place, ((scope, request), gap) in enumerate(zip(requests, [*gaps, 0.0], strict=True))
    )
    return Run(f"{trace}/{number}", trace, harness, turns)


def exact(
    stream: Hashable, spans: Iterable[tuple[int, int]], size: int, tail: Hashable, block_tokens: int
) -> Context:
    """Return the context of a prompt whose blocks are known, as first and last of each stretch of numbers."""
    out: list[Extent] = []
    left = size
    for first, last in spans:
        length = min(left, (last - first + 1) * block_tokens)
        out.append(Extent(stream, first * block_tokens, first * block_tokens + length))
        left -= length
    return joined([*out, Extent(tail, 0, left)])


def opened(context: Context, opening: Extent | None) -> Context:
    """Return the context with its head named as the harness's, so that sessions share it."""
    if opening is None:
        return context
    skip = min(opening.tokens, tokens(context))
    out = [Extent(opening.stream, 0, skip)]
    for extent in context:
        cut = min(skip, extent.tokens)
        skip -= cut
        out.append(Extent(extent.stream, extent.start + cut, extent.end))
    return joined(out)


def opening_of(tool_tokens: int, block_tokens: int) -> Extent | None:
    """Return the opening that all sessions with one set of tools share: their definitions, in whole blocks."""
    shared = tool_tokens // block_tokens * block_tokens
    return Extent(Shared(f"claude-code/{shared}"), 0, shared) if shared else None
