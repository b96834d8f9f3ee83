"""What happens to a fleet on the way: changes at their times, a facility's air, a policy of replicas."""

from collections.abc import Callable
from functools import partial

from wattline.sim.air import LOOK_SECONDS, Air
from wattline.sim.build import Built
from wattline.sim.changes import BudgetChange, Change, InletChange, ReplicaChange, problem
from wattline.sim.scenario import ScenarioError
from wattline.sim.steer import Steer
from wattline.world.physics import EnginePhysics


class Course:
    """Lets things happen to a built world."""

    def __init__(self, built: Built) -> None:
        self._built = built
        self._air = Air(built.nodes, built.scenario.inlet and built.scenario.inlet())

    def expect(self) -> None:
        """Let what is to happen happen at its time; raise `ScenarioError` where it cannot."""
        scenario, events = self._built.scenario, self._built.events
        for change in scenario.changes:
            if change.at_seconds > scenario.hours * 3600:
                raise ScenarioError(
                    f"change at {change.at_seconds:g} s: arrivals end at {scenario.hours * 3600:g} s, and "
                    "nothing changes after that; choose an earlier moment, or more hours"
                )
            self._check(change)
            events.at(change.at_seconds, partial(self._happens, change))

    def go_on(self, while_true: Callable[[], bool]) -> None:
        """Ask the facility and the policy of replicas again and again."""
        scenario, events = self._built.scenario, self._built.events
        if scenario.inlet is not None:
            self._ask_facility()
            events.every(LOOK_SECONDS, self._ask_facility, while_true)
        if scenario.steer is not None:
            events.every(scenario.steer_seconds, partial(self._steered, scenario.steer()), while_true)

    def _check(self, change: Change) -> None:
        built = self._built
        wrong = problem(
            change,
            [(name, each) for name, served in built.served.items() for each in served.lives],
            [domain.metadata.name for domain in built.fleet.domains],
            [node.name for node in built.nodes],
        )
        if wrong is not None:
            raise ScenarioError(wrong)
        if isinstance(change, ReplicaChange) and change.rung is not None:
            longest, tokens = (
                built.served[change.pool].longest_tokens,
                self._physics_on(change).max_context_tokens,
            )
            if tokens < longest:
                raise ScenarioError(
                    f"change at {change.at_seconds:g} s: rung {change.rung.name} holds {tokens} tokens, and runs of "
                    f"{change.pool} may grow to {longest}; choose a rung with as much room"
                )

    def _physics_on(self, change: ReplicaChange) -> EnginePhysics:
        """Return the engine that a replica starts with; raise `ScenarioError` where there is none."""
        built = self._built
        own = built.replicas[change.pool, change.replica].engine.physics
        model = own.model if change.rung is None or change.rung.model is None else change.rung.model
        known = built.engines.get((model, built.scenario.product, own.gpus))
        if known is None:
            raise ScenarioError(
                f"change at {change.at_seconds:g} s: no engine model of {model} on {own.gpus} {built.scenario.product}"
            )
        return known

    def _happens(self, change: Change) -> None:
        built = self._built
        built.catch_up()
        match change:
            case ReplicaChange():
                served = built.served[change.pool]
                physics = None if change.rung is None else self._physics_on(change)
                served.lives[change.replica].happens(change.do, physics, change.rung)
                served.rungs += [] if change.rung is None else [change.rung]
            case BudgetChange():
                built.budgets.change(change.domain, change.watts)
                if built.scenario.cap == "wattline":
                    built.budgets.share_out(built.events)
                elif built.scenario.cap == "uniform":
                    built.budgets.limit_evenly()
            case InletChange():
                self._air.set(change.celsius, change.nodes)

    def _ask_facility(self) -> None:
        self._built.catch_up()
        self._air.look(self._built.events.now_seconds)

    def _steered(self, steer: Steer) -> None:
        built = self._built
        built.catch_up()
        seen = {name: served.look() for name, served in built.served.items()}
        for change in steer(built.events.now_seconds, seen):
            self._check(change)
            self._happens(change)
