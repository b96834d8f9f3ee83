"""What one pass showed, by the world's own record, the agents and the device journal."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from wattline.fake.agents import RunOutcome
from wattline.fake.record import EngineSecond, GpuSecond, Second
from wattline.model.prefixtree import PrefixTree
from wattline.model.runs import Run
from wattline.sim.rates import WINDOW_SECONDS
from wattline.sim.recording import Shared


@dataclass(frozen=True, slots=True)
class FleetSecond:
    """All nodes over one second, counted from the pass's start."""

    at_seconds: float
    watts: float
    late_seconds: float
    gpus: tuple[GpuSecond, ...]
    engines: tuple[EngineSecond, ...]

    def groups(self) -> Iterator[tuple[EngineSecond, tuple[GpuSecond, ...]]]:
        """Yield every engine with its GPUs."""
        start = 0
        for engine in self.engines:
            yield engine, self.gpus[start : start + engine.gpus]
            start += engine.gpus

    def busy_clocks(self) -> list[int]:
        """Return the clocks of the GPUs whose engine has work."""
        return [gpu.clock_mhz for engine, gpus in self.groups() if engine.running for gpu in gpus]


@dataclass(frozen=True, slots=True)
class Resident:
    """The gateway's ledger at one moment."""

    at_seconds: float
    shares: tuple[float, ...]
    """Resident tokens of each replica over its capacity."""
    held: int
    """Turns that wait at the gateway."""

    @property
    def fleet_share(self) -> float:
        """Mean over the replicas."""
        return fmean(self.shares) if self.shares else 0.0


def merged(nodes: Sequence[Mapping[int, Second]], begin_seconds: float) -> list[FleetSecond]:
    """Return the seconds that every node has, in order, from ``begin_seconds`` on."""
    common = sorted(set.intersection(*(set(seconds) for seconds in nodes)))
    return [
        FleetSecond(
            at - begin_seconds,
            sum(seconds[at].watts for seconds in nodes),
            max(seconds[at].late_seconds for seconds in nodes),
            tuple(gpu for seconds in nodes for gpu in seconds[at].gpus),
            tuple(engine for seconds in nodes for engine in seconds[at].engines),
        )
        for at in common
        if at - 1 >= begin_seconds
    ]


@dataclass(slots=True)
class PassResult:
    """One way of running the fleet."""

    name: str
    seconds: list[FleetSecond] = field(default_factory=list)
    resident: list[Resident] = field(default_factory=list)
    outcomes: list[RunOutcome] = field(default_factory=list)
    runs_offered: int = 0
    uniform_watts: float | None = None
    """Static limit of each GPU, where there was one."""
    highest_bound_watts: float | None = None
    """By the device journal: most that the limits in force allowed once they were all set; none without limits of ours."""
    recomputed_ratio: float = 0.0
    prefilled_tokens: int = 0

    @property
    def joules(self) -> float:
        """Energy of all GPUs over the pass, idle included."""
        return sum(second.watts for second in self.seconds)

    @property
    def mean_watts(self) -> float:
        """Average draw over the pass."""
        return self.joules / len(self.seconds) if self.seconds else 0.0

    @property
    def peak_watts(self) -> float:
        """Highest draw of one second."""
        return max((second.watts for second in self.seconds), default=0.0)

    @property
    def runs_done(self) -> int:
        """Runs that ended well."""
        return sum(outcome.finished_seconds is not None for outcome in self.outcomes)

    @property
    def joules_per_run(self) -> float | None:
        """Energy of the pass over the runs done in it."""
        return self.joules / self.runs_done if self.runs_done else None

    @property
    def max_celsius(self) -> float:
        """Hottest GPU."""
        return max((gpu.celsius for second in self.seconds for gpu in second.gpus), default=0.0)

    @property
    def highest_resident(self) -> float:
        """Highest share of KV memory that a replica's sessions needed, by the gateway's ledger."""
        return max((share for seen in self.resident for share in seen.shares), default=0.0)

    @property
    def late_seconds(self) -> float:
        """World time by which 95 of 100 seconds of the node loops were at most late."""
        late = sorted(second.late_seconds for second in self.seconds)
        return late[int(0.95 * (len(late) - 1))] if late else 0.0

    @property
    def run_seconds(self) -> list[float]:
        """From arrival to end, of the runs done."""
        return [
            outcome.finished_seconds - outcome.arrived_seconds
            for outcome in self.outcomes
            if outcome.finished_seconds is not None
        ]

    def over_budget_seconds(self, budget_watts: float) -> int:
        """Return the seconds in which the fleet drew more than the budget."""
        return sum(second.watts > budget_watts for second in self.seconds)

    def busy_clocks(self) -> list[int]:
        """Return the clocks of GPUs that worked, one for each second, sorted."""
        return sorted(clock for second in self.seconds for clock in second.busy_clocks())


def agent_rates(outcomes: Sequence[RunOutcome]) -> list[float]:
    """Return the rate of every session in every window of 30 s in which it had a turn open.

    Output tokens over the seconds since the request arrived: prefill and holding count, tools do not. The tokens
    of a turn are spread evenly between its first and its last.
    """
    rates = []
    for outcome in outcomes:
        windows: dict[int, tuple[float, float]] = {}
        for turn in outcome.turns:
            first, last = turn.first_token_seconds, turn.ended_seconds
            for window in range(
                int(turn.requested_seconds // WINDOW_SECONDS), int(last // WINDOW_SECONDS) + 1
            ):
                start, end = window * WINDOW_SECONDS, (window + 1) * WINDOW_SECONDS
                tokens, seconds = windows.get(window, (0.0, 0.0))
                share = max(0.0, min(last, end) - max(first, start)) / (last - first) if last > first else 1.0
                windows[window] = (
                    tokens + turn.output_tokens * share,
                    seconds + min(last, end) - max(turn.requested_seconds, start),
                )
        rates += [tokens / seconds for tokens, seconds in windows.values() if seconds > 0]
    return rates


def recomputed(outcomes: Sequence[RunOutcome], runs: Mapping[str, Run]) -> tuple[int, int]:
    """Return the prompt tokens that were computed again, and all that were computed.

    New to a session is what lies beyond the longest prefix that its own turns, or for the shared opening any
    run's, had computed before.
    """
    again = computed = 0
    openings = PrefixTree()
    own = {outcome.id: PrefixTree() for outcome in outcomes}
    turns = sorted(
        (turn.first_token_seconds, outcome.id, index, turn)
        for outcome in outcomes
        for index, turn in enumerate(outcome.turns)
    )
    for _, name, index, seen in turns:
        turn = runs[name].turns[index]
        known = max(own[name].shared(turn.context), openings.shared(turn.context))
        prefilled = seen.prompt_tokens - seen.cached_tokens
        computed += prefilled
        again += max(0, prefilled - (seen.prompt_tokens - known))
        own[name].hold((*turn.context, turn.output))
        if isinstance(turn.context[0].stream, Shared):
            openings.hold(turn.context[:1])
    return again, computed
