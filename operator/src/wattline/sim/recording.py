"""A recording: the runs of a trace, each of which can be played any number of times."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from wattline.model.context import Context, Extent
from wattline.model.runs import Run, Turn


class TraceError(ValueError):
    """A trace file does not hold what its format promises; place and remedy in the message."""


@dataclass(frozen=True, slots=True)
class Session:
    """Runs of one person or program one after another; all but Claude Code's have one run."""

    runs: tuple[Run, ...]

    think_seconds: tuple[float, ...]
    """Human think time before each run, 0 before the first."""


@dataclass(frozen=True, slots=True)
class Recording:
    """The sessions of one trace, in its order."""

    sessions: tuple[Session, ...]

    @property
    def runs(self) -> tuple[Run, ...]:
        """Every run of every session."""
        return tuple(run for session in self.sessions for run in session.runs)


@dataclass(frozen=True, slots=True)
class Shared:
    """Name of a token stream that is the same in every play of a recording: a harness's opening prompt."""

    harness: str


@dataclass(frozen=True, slots=True)
class Played:
    """Name of a token stream of one play."""

    stream: object
    play: int


def again(session: Session, play: int) -> Session:
    """Return the session as its ``play``-th repetition: its own tokens are new, a shared opening is not."""
    return replace(session, runs=tuple(_again(run, play) for run in session.runs))


def _again(run: Run, play: int) -> Run:
    names: dict[object, Played] = {}

    def new(extent: Extent) -> Extent:
        if isinstance(extent.stream, Shared):
            return extent
        stream = names.setdefault(extent.stream, Played(extent.stream, play))
        return Extent(stream, extent.start, extent.end)

    turns = tuple(
        Turn(tuple(new(extent) for extent in turn.context), new(turn.output), turn.gap_seconds)
        for turn in run.turns
    )
    return Run(f"{run.id}#{play}", f"{run.session}#{play}", run.harness, turns)


class Writer:
    """Makes contexts from prompt sizes where a trace has no block hashes.

    A prompt continues the one before it. Where it grew by at least what was generated, the generated tokens
    are taken to stand in it; where it grew by less (thinking is dropped), they are not, and where it shrank
    (compaction) only the opening is still shared.
    """

    def __init__(self, name: str, harness: str, opening_tokens: int) -> None:
        self._name = name
        self._opening = Extent(Shared(harness), 0, opening_tokens)
        self._shrunk = 0
        self._prompt_tokens = 0

    def turn(
        self, prompt_tokens: int, output_tokens: int, gap_seconds: float, next_prompt_tokens: int
    ) -> Turn:
        """Return the next turn; ``next_prompt_tokens`` is that of the turn after it, 0 after the last."""
        if prompt_tokens < self._prompt_tokens:
            self._shrunk += 1
        self._prompt_tokens = prompt_tokens
        stream = (self._name, self._shrunk)
        opening = Extent(self._opening.stream, 0, min(self._opening.end, prompt_tokens))
        own = Extent(stream, 0, prompt_tokens - opening.end)
        kept = next_prompt_tokens >= prompt_tokens + output_tokens
        output = (
            Extent(stream, own.end, own.end + output_tokens)
            if kept
            else Extent((self._name, self._shrunk, own.end), 0, output_tokens)
        )
        context: Context = (opening, own) if own.tokens else (opening,)
        return Turn(context if opening.tokens else context[1:], output, gap_seconds)


def unshared(sessions: Iterable[Session]) -> tuple[Session, ...]:
    """Return the sessions with every opening prompt a run's own, as if no two runs had a harness in common."""
    return tuple(replace(session, runs=tuple(_unshared(run) for run in session.runs)) for session in sessions)


def _unshared(run: Run) -> Run:
    def own(extent: Extent) -> Extent:
        if isinstance(extent.stream, Shared):
            return Extent((run.session, extent.stream.harness), extent.start, extent.end)
        return extent

    turns = tuple(
        Turn(tuple(own(extent) for extent in turn.context), own(turn.output), turn.gap_seconds)
        for turn in run.turns
    )
    return replace(run, turns=turns)


def chained(writer: Writer, calls: Sequence[tuple[int, int, float]]) -> tuple[Turn, ...]:
    """Return the turns of calls given as prompt tokens, output tokens and the gap after each."""
    following = [prompt for prompt, _, _ in calls[1:]] + [0]
    return tuple(
        writer.turn(prompt, output, gap, after)
        for (prompt, output, gap), after in zip(calls, following, strict=True)
    )
