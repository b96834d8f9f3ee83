"""KAIROS beside ours: knee, saving over load, objectives, collapse and several replicas."""

from bench.papers.kairos import knees, loads, regimes
from bench.papers.kairos.sweep import Runs
from bench.papers.study import Bench, Form, Study


def study(bench: Bench) -> Study:
    """Return what is found."""
    runs = Runs(bench)
    short = bench.form is Form.CI
    at = loads.played(runs)
    tight, objectives = regimes.objectives(runs)
    several, replicas = regimes.several(runs)
    inside = loads.inside(runs)
    return Study(
        setup=(
            "Qwen3-Coder-30B on one H100 NVL (417,000 tokens of KV memory) in the simulator, with the product's admission, "
            f"routing and clock law. Arrivals for {runs.hours:g} h, of which the first {runs.warm_up_hours:g} h do not count, then "
            f"drain. Loads are shares of the {3600 * runs.rate:.0f} runs/h that full clocks with our admission finish while a "
            "run is always waiting. Joules count to the end, idle included."
            + (
                ""
                if bench.form is Form.FULL
                else f" Runs above capacity begin with {regimes.LOADED} runs a replica in the first minute, as a busy hour leaves them."
            )
        ),
        trace=(
            "68 recorded Claude Code runs (agentcgroup) with one opening prompt and Poisson arrivals; the paper's are not published."
            if runs.data
            else "Generated runs, shaped like recorded ones that are absent here, with Poisson arrivals."
        ),
        baselines=(
            "Full clocks with affinity and without admission (the paper's), the same with our admission, and constant clocks with "
            "our admission, of which the best is chosen in hindsight: that is their tuning. Ours is not tuned for any run here; two "
            "constants of the clock law were once chosen on this trace."
        ),
        findings=(
            *regimes.steady(),
            *([] if short else [regimes.reversal(runs)]),
            *loads.findings(at, bench.form),
            tight,
            *regimes.collapse(runs),
            *several,
        ),
        carried_by=regimes.carriers(runs),
        tables=(
            *loads.tables(at),
            *([inside] if inside else []),
            objectives,
            replicas,
            loads.own_capacities(runs),
            knees.curve(1),
            knees.curve(16),
        ),
        loses=(
            "Where memory is never full a constant clock near the knee saves as much without any controller; above capacity "
            "every clock below full lengthens the wait."
        ),
    )
