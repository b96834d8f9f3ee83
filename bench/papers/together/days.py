"""The cells of each form, played: the design, the uncertain parameters, the loads."""

from collections.abc import Sequence
from dataclasses import replace

from bench.papers.figures import number
from bench.papers.study import Bench, Carrier, Form, Json, Table, varied
from bench.papers.together import effects, tables
from bench.papers.together.cells import ADMISSION, LEVERS, NONE, Case, but, factorial, only, played
from bench.papers.together.effects import Levers
from bench.papers.together.fleet import OBJECTIVE, POOLS
from bench.papers.together.tables import Cells

AGENTS = "agentic/agentcgroup_llm_calls.csv.gz"
CALLS = "traces/AzureLLMInferenceTrace_conv_2023.csv.gz"


class Days:
    """Plays the cells of the form."""

    def __init__(self, bench: Bench) -> None:
        agents, calls = bench.data(AGENTS), bench.data(CALLS)
        self._bench = bench
        self._traces = tuple(
            None if path is None else str(path) for path in (agents, *(calls for _ in POOLS[1:]))
        )
        self.recorded = agents is not None and calls is not None
        self.hours = bench.pick(ci=0.2, reduced=0.5, full=4.0)
        self.whole = bench.form is Form.FULL
        """Whether all combinations are played."""
        self.some = list(bench.seeds())[:3]
        """Seeds of cells that are only there for the full factorial."""
        self.few = self.some[: bench.pick(ci=1, reduced=1, full=2)]
        """Seeds of other loads."""

    def design(self) -> tuple[Levers, ...]:
        """Return the cells that findings are from: none, each alone, all but each (not in the shortest form), all."""
        singles = (NONE, *(only(name) for name in LEVERS), LEVERS)
        if self._bench.form is Form.CI:
            return singles
        return (*singles, *(but(name) for name in LEVERS))

    def cells(self) -> list[Cells]:
        """Return every cell's outcomes, seed by seed; in the full form the first seeds have the whole factorial."""
        design = self.design()
        whole = tuple(dict.fromkeys((*design, *factorial()))) if self.whole else design
        wanted = [
            (seed, levers)
            for seed in self._bench.seeds()
            for levers in (whole if seed in self.some else design)
        ]
        found = self._bench.each(played, [self._case(levers, seed) for seed, levers in wanted])
        seeds: dict[int, dict[Levers, Json]] = {seed: {} for seed, _ in wanted}
        for (seed, levers), outcome in zip(wanted, found, strict=True):
            seeds[seed][levers] = outcome
        return list(seeds.values())

    def carriers(self) -> tuple[Carrier, ...]:
        """Return what the saving together does where uncertain parameters are moved: of the first seed."""
        if self._bench.form is Form.CI:
            return ()
        hours = self._bench.pick(ci=(), reduced=(2,), full=(2, 6))
        moved: tuple[tuple[str, str, Sequence[dict[str, object]]], ...] = (
            ("power over clock", "linear; flat", ({"shape": "linear"}, {"shape": "flat"})),
            ("budgets", "× 0.9; × 1.15", ({"budget_ratio": 0.9}, {"budget_ratio": 1.15})),
            ("routing of the base", "round-robin", ({"plain_routing": "round-robin"},)),
            (f"objective of every pool, {OBJECTIVE:g} tok/s", "25; 30", ({"objective": 25.0}, {"objective": 30.0})),
            (f"hours in which the day passes, {self.hours:g}", "; ".join(map(str, hours)), [{"hours": each} for each in hours]),
        )  # fmt: skip
        cases = [
            varied(self._case(levers, 0), changed)
            for _, _, ends in moved
            for changed in ends
            for levers in (NONE, LEVERS)
        ]
        results = iter(self._bench.each(played, cases))
        carriers = []
        for parameter, span, ends in moved:
            said = []
            for _ in ends:
                none, everything = next(results), next(results)
                saving = effects.saved(none["joules_per_run"], everything["joules_per_run"])
                said.append(
                    f"saved {number(saving)} %, P5 {number(none['least_rate_p5'])} → "
                    f"{number(everything['least_rate_p5'])} tok/s"
                )
            carriers.append(Carrier(parameter, span, "; ".join(said)))
        return tuple(carriers)

    def loads(self, seeds: Sequence[Cells]) -> tuple[Table, ...]:
        """Return what none, admission alone and all come to at shares of the agents' capacity; none in the shortest form."""
        if self._bench.form is Form.CI:
            return ()
        shares = self._bench.pick(ci=(), reduced=(0.7, 1.1), full=(0.5, 0.7, 0.95, 1.1))
        chosen = (NONE, only(ADMISSION), LEVERS)
        count = len(self.few)
        cases = [
            replace(self._case(levers, seed), load=share)
            for share in shares
            for levers in chosen
            for seed in range(count)
        ]
        results = iter(self._bench.each(played, cases))
        found = {
            (share, levers): [next(results) for _ in range(count)] for share in shares for levers in chosen
        }
        found |= {
            (self._case(NONE, 0).load, levers): [cells[levers] for cells in seeds[:count]]
            for levers in chosen
        }
        return (tables.loads(found),)

    def _case(self, levers: Levers, seed: int) -> Case:
        return Case(levers, seed, self.hours, self._traces)
