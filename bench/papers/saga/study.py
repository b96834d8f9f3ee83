"""SAGA beside ours: the ladder over load, Bélády on a frozen sequence, ablations, and tools that vary."""

from bench.papers.saga import belady, ladder, regimes
from bench.papers.saga.cluster import PHYSICS, mean_steps
from bench.papers.saga.sweep import BASE, Runs
from bench.papers.saga.workload import stream
from bench.papers.study import Bench, Form, Study


def study(bench: Bench) -> Study:
    """Return what is found."""
    runs = Runs(bench)
    capacity, at_best = runs.capacity(BASE)
    rows = ladder.played(runs)
    frozen, sequences = belady.findings(runs)
    ablated, ablations = regimes.ablations(runs, rows)
    varied, variations = regimes.variation(runs, rows)
    tasks = stream(0, 200, None)
    return Study(
        setup=(
            f"{runs.workers} workers, each Llama-3.1-70B on four A100 ({PHYSICS.capacity_tokens:,} tokens of KV memory), in a small "
            "world of the study's own: batched decoding, chunked prefill at the house's step times, KV memory by session in blocks. "
            f"{runs.hours:g} h, of which {runs.warm_up_hours:g} h do not count, and half an hour to drain; loads are shares of the "
            f"{3600 * capacity:.0f} tasks/h and worker that {BASE} finishes at its best number at once ({at_best}). Every run begins "
            "loaded: as many tasks as that load has under way stand anywhere between their first and last step, and do not count. "
            + _seeds(runs)
            + "No "
            "speculative preload and no DRAM tier."
        ),
        trace=(
            f"Generated tasks of {mean_steps(tasks):.0f} steps on average, tools after the paper's table with a Pareto tail through "
            "its P99, contexts to 32,768 tokens; the same tasks and tool times for every rung."
            + (
                " The frozen sequence also on recorded runs (agentcgroup)."
                if runs.recorded and bench.form is not Form.CI
                else ""
            )
        ),
        baselines=(
            "LRU of whole contexts without shared openings, and LRU of blocks with them; both with affinity. Their best number of tasks "
            "at once is searched for; they have no other parameter. Weights of WA-LRU and all constants of full are the paper's."
        ),
        findings=(*ladder.findings(runs, rows), *frozen, ablated, *varied),
        carried_by=regimes.carriers(runs, rows),
        tables=(
            *ladder.tables(runs, rows),
            *sequences,
            ablations,
            variations,
            *ladder.capacities(runs),
        ),
        loses=(
            "Above what memory holds, affinity, retention and order do not keep a cluster from thrashing: sessions that wait lose their "
            "context to those that run. Holding new tasks back does (last rung)."
        ),
    )


def _seeds(runs: Runs) -> str:
    """Say how many seeds there are, where parts of the study have fewer."""
    if runs.few == runs.seeds:
        return ""
    return f"Findings and the ladder are of {len(runs.seeds)} seeds, what carries them and spreads between the ends of {len(runs.few)}. "
