"""What a turn leaves behind: in the ledger, the agent rates, the run's account and the counts."""

from wattline.doors.clock import Clock
from wattline.gateway.counts import JOULES, Counts, Spread
from wattline.gateway.energy import Energy
from wattline.gateway.runs import Runs
from wattline.gateway.turn import Turn
from wattline.loops.turns import Answer
from wattline.policy.account import Work


class Reckoning:
    """Takes note of turns as they start, go on and end."""

    def __init__(self, runs: Runs, energy: Energy, counts: Counts, clock: Clock) -> None:
        self._runs = runs
        self._energy = energy
        self._counts = counts
        self._clock = clock

    def seated(self, turn: Turn, answer: Answer) -> None:
        """Take note that a turn goes to an engine."""
        assert answer.replica is not None
        pool, now = turn.pool, self._clock.now()
        turn.replica = turn.ran_on = answer.replica
        self._counts.routed[pool.name, str(answer.routed)] += 1
        self._counts.admitted[pool.name, str(answer.admitted)] += 1
        self._counts.held_seconds.setdefault(pool.name, Spread()).observe(now - turn.arrived_seconds)
        replica = pool.replicas[answer.replica]
        replica.sequences += turn.prompt.sequences
        replica.rates.arrived(turn.chain.key, turn.number, turn.arrived_seconds, streamed=turn.prompt.stream)
        self._energy.started((pool.name, answer.replica), turn.number, now)

    def progress(self, turn: Turn) -> None:
        """Take note of a part of the answer."""
        assert turn.replica is not None
        fresh = turn.output_tokens - turn.counted_tokens
        turn.counted_tokens += fresh
        rates = turn.pool.replicas[turn.replica].rates
        if turn.prompt.stream:
            rates.generated(turn.chain.key, fresh, turn.last_seconds)
        else:
            rates.generated_over(turn.chain.key, fresh, turn.dispatched_seconds, turn.last_seconds)

    def left(self, turn: Turn) -> None:
        """Take note that a turn is no longer at its engine, however it ended."""
        assert turn.replica is not None
        pool, now = turn.pool, self._clock.now()
        where = (pool.name, turn.replica)
        replica = pool.replicas[turn.replica]
        replica.sequences = max(0, replica.sequences - turn.prompt.sequences)
        replica.rates.ended(turn.chain.key, turn.number, now)
        if turn.declined:
            pool.desk.ended(turn.key, now, turn.chain.context, turn.chain.tokens)
            self._energy.ended(where, turn.number, None)
        elif turn.first_seconds is not None:
            self._count(turn)
            pool.desk.prefilled(turn.key, now, turn.prefilled_tokens, turn.recomputed_tokens)
            held = turn.prompt_tokens + round(turn.output_tokens)
            pool.desk.ended(turn.key, now, turn.context, held)
            self._remember(turn, held)
            self._energy.ended(
                where,
                turn.number,
                Work(
                    turn.session.root,
                    turn.dispatched_seconds,
                    turn.first_seconds,
                    turn.last_seconds,
                    turn.prefilled_tokens,
                    turn.output_tokens,
                ),
            )
        else:
            pool.desk.ended(turn.key, now)
            aborted = Work(
                turn.session.root,
                turn.dispatched_seconds,
                now,
                now,
                turn.estimated_tokens - turn.known_tokens,
                0,
            )
            self._energy.ended(where, turn.number, aborted)
        self._runs.run(turn.session.root).last_seconds[where] = now
        turn.replica = None
        pool.pump()

    def over(self, run: str, how: str) -> None:
        """Take note that a run is over: its client said so (``told``) or was not heard of for long (``silent``)."""
        finished = self._runs.finish(run)
        if finished is None:
            return
        self._counts.runs_finished[finished.pool, how] += 1
        if finished.workflow:
            self._counts.workflow_runs_finished[finished.workflow] += 1

    def settle(self) -> None:
        """Divide the joules that can be, and take note of what finished runs cost."""
        self._energy.settle()
        for run, joules in self._runs.finished(self._energy.settled_until()):
            self._counts.run_joules.setdefault(run.pool, Spread(JOULES)).observe(joules)
            if run.workflow:
                self._counts.workflow_run_joules.setdefault(run.workflow, Spread(JOULES)).observe(joules)

    def _remember(self, turn: Turn, held_tokens: int) -> None:
        """Keep what the engine counted, for the estimate of the next prompt."""
        chain, ratio = turn.chain, turn.pool.tokens_per_byte
        chain.context = turn.context
        if turn.usage is None:
            return
        ratio.add(turn.usage.prompt_tokens, len(turn.prompt.text))
        if turn.prompt.stream:
            turn.pool.stream_ratios[turn.prompt.api].add(turn.usage.completion_tokens, turn.stream_bytes)
        chain.tokens = held_tokens
        chain.counted_bytes = len(turn.prompt.text) + round(turn.usage.completion_tokens / ratio.ratio)

    def _count(self, turn: Turn) -> None:
        assert turn.first_seconds is not None
        run, name = self._runs.run(turn.session.root), turn.pool.name
        kinds = {
            "prompt": turn.prompt_tokens,
            "cached": turn.cached_tokens,
            "recomputed": turn.recomputed_tokens,
            "completion": round(turn.output_tokens),
        }
        for kind, tokens in kinds.items():
            self._counts.tokens[name, kind] += tokens
            if run.workflow:
                self._counts.workflow_tokens[run.workflow, kind] += tokens
        run.turns += 1
        run.prompt_tokens += kinds["prompt"]
        run.cached_tokens += kinds["cached"]
        run.recomputed_tokens += kinds["recomputed"]
        run.completion_tokens += kinds["completion"]
        waited = turn.first_seconds - turn.arrived_seconds
        self._counts.first_byte_seconds.setdefault(name, Spread()).observe(waited)
