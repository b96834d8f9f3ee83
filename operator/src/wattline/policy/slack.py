"""``slack``: whose prompt is computed next, and how much of it (Medha, arXiv 2409.17264: LARS and its packer).

From the paper: the slack of a request is what is left to its deadline when the work that is left has been done; divided
by all of its work it is relative, and the least relative slack goes first. A short request loses its relative slack
quickly and a long one slowly, so a short one soon passes a long one, and a long one that waits passes every new short
one in the end. Where short ones alone ask for more than the engine can do, they win: to hold that off is admission's. An
iteration has a budget of seconds: what decodes goes first, then each prompt, in order, gets the largest chunk that still
fits by a predictor of the iteration's time, found by bisection. At most one long prompt is in an iteration, and it
leaves room for others while it has slack: it has ``1 - slack`` of the budget.

Ours: the bounds of that share, the grid of chunks, that a long prompt gets back what nobody else used, and that the
largest chunk is sought where a straight line meets the budget, which finds the same one in fewer steps. Where nothing fits and nobody decodes, the first prompt gets the least chunk: nobody's token is late because of it. The other
orders are here to be compared with, and for users who want them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter


class Rule(StrEnum):
    """What comes first."""

    RELATIVE_SLACK = "RelativeSlack"
    """The least slack per second of the whole work: LARS."""
    SLACK = "Slack"
    """The least slack in seconds: LRS."""
    DEADLINE = "Deadline"
    """The earliest deadline: EDF."""
    ARRIVAL = "Arrival"
    """First come, first served: FCFS."""
    SHORTEST = "Shortest"
    """The least work left: best for the many, and a long one may wait for ever."""


class Why(StrEnum):
    """Why an iteration is as it is."""

    NOTHING = "NothingWaits"
    ALL = "AllFits"
    BUDGET = "BudgetUsed"
    LEAST = "LeastChunkAlone"
    DECODES = "DecodesFillBudget"


@dataclass(frozen=True, slots=True)
class SlackSpec:
    """Constants of the method."""

    budget_seconds: float = 0.02
    """Of one iteration; follows from the objective of time per token [the paper's example]."""
    long_tokens: int = 8192
    """Prompts longer than this are long: of them one is in an iteration [ours: the paper's short ones end there]."""
    rule: Rule = Rule.RELATIVE_SLACK
    least_share: float = 0.1
    most_share: float = 0.9
    """Bounds of a long prompt's share of the budget [ours]."""
    grid_tokens: int = 32
    """Chunks that do not end a prompt are multiples of it: a warp's worth, and the least chunk [ours]."""
    most_tokens: int = 16_384
    """Of one chunk [ours]."""
    fills: bool = True
    """Whether those behind a prompt that is not whole yet get what its chunk leaves of the budget."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request whose prompt is not computed yet, or not whole."""

    name: str
    arrived_seconds: float
    within_seconds: float
    """First token due so long after arrival."""
    work_seconds: float
    """Of its whole prompt, alone on the engine; above zero."""
    left_seconds: float
    """Of these, still to do."""
    tokens: int
    done_tokens: int = 0

    @property
    def left_tokens(self) -> int:
        """Tokens still to compute."""
        return self.tokens - self.done_tokens


@dataclass(frozen=True, slots=True)
class Chunk:
    """Part of a prompt, computed in one iteration."""

    name: str
    context_tokens: int
    """Computed before."""
    tokens: int


Predictor = Callable[[Sequence[Chunk]], float]
"""Seconds of an iteration with these chunks beside all that decodes now; grows with every chunk."""


@dataclass(frozen=True, slots=True)
class SlackDecision:
    """One iteration."""

    chunks: tuple[Chunk, ...]
    seconds: float
    """Predicted; at most the budget, unless nobody decodes or what decodes fills it alone."""
    why: Why


def relative_slack(prompt: Prompt, at_seconds: float) -> float:
    """Return what is left to the deadline after the work that is left, per second of the whole work."""
    return _slack(prompt, at_seconds) / prompt.work_seconds


def ordered(rule: Rule, prompts: Sequence[Prompt], at_seconds: float) -> list[Prompt]:
    """Return the prompts in their order of service; equals as they came."""
    if rule is Rule.ARRIVAL:
        return sorted(prompts, key=attrgetter("arrived_seconds"))
    if rule is Rule.DEADLINE:
        return sorted(prompts, key=lambda one: one.arrived_seconds + one.within_seconds)
    if rule is Rule.SHORTEST:
        return sorted(prompts, key=attrgetter("left_seconds"))
    if rule is Rule.SLACK:
        return sorted(prompts, key=lambda one: _slack(one, at_seconds))
    return sorted(prompts, key=lambda one: relative_slack(one, at_seconds))


def decide(
    spec: SlackSpec, at_seconds: float, prompts: Sequence[Prompt], decoding: int, predicted: Predictor
) -> SlackDecision:
    """Return the chunks of the next iteration beside ``decoding`` sequences that get a token each."""
    alone = predicted(())
    queue = iter(ordered(spec.rule, prompts, at_seconds))
    chunks: list[Chunk] = []
    looked: dict[str, Prompt] = {}
    long: Prompt | None = None
    shared = False
    seconds = alone
    for prompt in queue:
        if prompt.done_tokens >= prompt.tokens:
            continue
        looked[prompt.name] = prompt
        budget = spec.budget_seconds
        if prompt.tokens > spec.long_tokens:
            if long is not None:
                continue
            long = prompt
            budget = min(budget, seconds + budget * _share(spec, prompt, at_seconds))
            shared = budget < spec.budget_seconds
        chunk, with_it = _largest(spec, prompt, chunks, budget, predicted, seconds)
        if chunk is not None:
            chunks.append(chunk)
            seconds = with_it
        if not spec.fills and (chunk is None or chunk.tokens < prompt.left_tokens):
            break
        if chunk is None and budget == spec.budget_seconds:
            break
    if not looked:
        return SlackDecision((), alone, Why.NOTHING)
    # A chunk that had the whole budget does not grow beside others.
    if long is not None and shared:
        chunks, seconds = _given_back(spec, long, chunks, seconds, predicted)
    if chunks:
        whole = sum(chunk.tokens == looked[chunk.name].left_tokens for chunk in chunks)
        everything = whole == len(looked) and not any(prompt.left_tokens for prompt in queue)
        return SlackDecision(tuple(chunks), seconds, Why.ALL if everything else Why.BUDGET)
    if decoding:
        return SlackDecision((), alone, Why.DECODES)
    first = next(iter(looked.values()))
    least = _chunk(first, min(spec.grid_tokens, first.left_tokens))
    return SlackDecision((least,), predicted((least,)), Why.LEAST)


def after(prompt: Prompt, tokens: int, left_seconds: float) -> Prompt:
    """Return a prompt of which so many more tokens are computed."""
    return Prompt(
        prompt.name, prompt.arrived_seconds, prompt.within_seconds, prompt.work_seconds, left_seconds, prompt.tokens,
        prompt.done_tokens + tokens,
    )  # fmt: skip


def _slack(prompt: Prompt, at_seconds: float) -> float:
    return prompt.arrived_seconds + prompt.within_seconds - at_seconds - prompt.left_seconds


def _share(spec: SlackSpec, prompt: Prompt, at_seconds: float) -> float:
    """Return a long prompt's share of the budget; orders other than the paper's leave no room."""
    if spec.rule is not Rule.RELATIVE_SLACK:
        return 1.0
    return min(spec.most_share, max(spec.least_share, 1.0 - relative_slack(prompt, at_seconds)))


def _chunk(prompt: Prompt, tokens: int) -> Chunk:
    return Chunk(prompt.name, prompt.done_tokens, tokens)


def _given_back(
    spec: SlackSpec, long: Prompt, chunks: list[Chunk], seconds: float, predicted: Predictor
) -> tuple[list[Chunk], float]:
    """Return the chunks with that of the long prompt grown into what nobody else used, and the iteration's time."""
    given = next((chunk for chunk in chunks if chunk.name == long.name), None)
    if given is not None and given.tokens == long.left_tokens:
        return chunks, seconds
    others = [chunk for chunk in chunks if chunk is not given]
    at_least = given.tokens if given is not None else 0
    larger, with_it = _largest(spec, long, others, spec.budget_seconds, predicted, seconds, at_least)
    if larger is None:
        return chunks, seconds
    if given is None:
        return [*chunks, larger], with_it
    return [larger if chunk is given else chunk for chunk in chunks], with_it


def _largest(
    spec: SlackSpec,
    prompt: Prompt,
    beside: Sequence[Chunk],
    budget_seconds: float,
    predicted: Predictor,
    least_seconds: float,
    at_least: int = 0,
) -> tuple[Chunk | None, float]:
    """Return the largest chunk of more than ``at_least`` tokens that fits beside others, and the iteration's time.

    None where none fits. ``least_seconds`` is the time with ``at_least`` of its tokens, a number of grid steps. Times
    are nearly straight over tokens, so that a line between the ends meets the budget close by.
    """
    most = min(prompt.tokens - prompt.done_tokens, spec.most_tokens)
    fits = _chunk(prompt, most)
    seconds = predicted((*beside, fits))
    if seconds <= budget_seconds:
        return (fits, seconds) if most > at_least else (None, 0.0)
    # In grid steps: low fits, high does not.
    low, high = at_least // spec.grid_tokens, -(-most // spec.grid_tokens)
    low_seconds, high_seconds = least_seconds, seconds
    best, best_seconds = None, 0.0
    tries = 0
    while high - low > 1:
        tries += 1
        if tries % 4 and high_seconds > low_seconds:
            line = int((high - low) * (budget_seconds - low_seconds) / (high_seconds - low_seconds))
            middle = low + min(max(line, 1), high - low - 1)
        else:
            middle = (low + high) // 2
        chunk = _chunk(prompt, middle * spec.grid_tokens)
        seconds = predicted((*beside, chunk))
        if seconds <= budget_seconds:
            low, low_seconds, best, best_seconds = middle, seconds, chunk, seconds
        else:
            high, high_seconds = middle, seconds
    return best, best_seconds
