"""A served pool in the simulator: its replicas, its gateway, its agents, and what became of their runs."""

from collections.abc import Mapping
from dataclasses import asdict

from wattline.api.inferencepool import InferencePool
from wattline.model.fleet import full_name
from wattline.sim.agents import Agents
from wattline.sim.events import Events
from wattline.sim.gateway import Gateway, Tally
from wattline.sim.life import Life, Stage
from wattline.sim.poolreport import PoolReport
from wattline.sim.rates import AgentRates
from wattline.sim.replica import Replica
from wattline.sim.results import Outcome
from wattline.sim.rungs import played_on
from wattline.sim.scenario import Scenario, ScenarioError, Served
from wattline.sim.steer import PoolLook, ReplicaLook


class Pool:
    """One pool that gets runs."""

    def __init__(self, pool: InferencePool, served: Served, scenario: Scenario, events: Events) -> None:
        self.pool = pool
        self.rungs = [] if served.rung is None else [served.rung]
        """Rungs that any of its replicas served on so far."""
        self._served = served
        self.name = full_name(pool)
        self.rates = AgentRates()
        self.gateway = Gateway(
            pool.spec,
            scenario.routing,
            admission=scenario.admission,
            events=events,
            rates=self.rates,
            migration=None
            if scenario.migration is None
            else scenario.migration.mover(f"{scenario.seed}/migration/{self.name}"),
        )
        self.lives: dict[str, Life] = {}
        self._events = events
        self._preemptions_before = 0
        """Until counting began."""

    def use(self, replicas: Mapping[str, Replica]) -> None:
        """Take the pool's replicas by name; those that are active get work."""
        active = [endpoint.name for endpoint in self.pool.spec.active()]
        if not active:
            raise ScenarioError(
                f"InferencePool {self.name} gets runs and has no replica that could start; give it replicas, and its "
                "domain the watts and nodes they need"
            )
        for replica in replicas.values():
            replica.rung = self._served.rung
        self.gateway.use({name: replicas[name] for name in active})
        self.lives = {name: Life(replica, self.gateway, self._events) for name, replica in replicas.items()}
        engines = [replica.engine for replica in self.gateway.replicas.values()]
        longest = min(engine.physics.max_context_tokens for engine in engines)
        admissible = int(self.pool.spec.memory.never_above * min(e.capacity_tokens for e in engines))
        self.longest_tokens = min(longest, admissible)
        """Longest run that is let in."""
        self.agents = Agents(self._events, self.gateway, self.longest_tokens)

    def expect(self) -> None:
        """Schedule the runs."""
        self.agents.expect(played_on(self._served.rung, self._served.arrivals))

    def sample(self) -> None:
        """Let engines and agents tell where they are."""
        for replica in self.gateway.replicas.values():
            replica.catch_up()
            replica.changed()
        self.rates.sample(self._events.now_seconds)

    def begin(self) -> None:
        """Count from now on."""
        self.agents.played.begin()
        self.gateway.tally = Tally()
        self.rates.windows.clear()
        self._preemptions_before = self._preemptions()

    def look(self) -> PoolLook:
        """Return the pool as a policy of replicas sees it."""
        desk, played = self.gateway.desk, self.agents.played
        return PoolLook(
            replicas={
                name: ReplicaLook(
                    stage=life.stage if name in self.gateway.replicas else Stage.STOPPED,
                    resident_tokens=desk.resident_tokens(name),
                    capacity_tokens=life.replica.engine.capacity_tokens,
                    running=desk.running(name),
                )
                for name, life in self.lives.items()
            },
            held=desk.held,
            runs_begun=played.begun,
            runs_ended=len(played.run_seconds),
        )

    @property
    def outcome(self) -> Outcome:
        """Return what was counted so far."""
        return Outcome.of(self.agents.played, self.gateway.tally, self.rates.windows)

    def report(self, outcome: Outcome, joules: float) -> PoolReport:
        """Return the pool's results; ``outcome`` is its own, ``joules`` what its GPUs took."""
        preemptions = self._preemptions() - self._preemptions_before
        return PoolReport(
            **asdict(outcome.results(joules, preemptions, self.rungs)),
            name=self.name,
            replicas=len(self.gateway.replicas),
            objective_tokens_per_second=self.pool.spec.objective.tokens_per_second_per_agent_p5,
        )

    def _preemptions(self) -> int:
        return sum(replica.preemptions for replica in self.gateway.replicas.values())
