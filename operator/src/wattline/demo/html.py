"""The demo's report: one page that needs nothing else."""

from collections.abc import Sequence
from html import escape

from wattline.demo import plots, table
from wattline.demo.result import PassResult, agent_rates
from wattline.demo.show import Shown
from wattline.pages import html
from wattline.sim.rates import quantile


def page(shown: Shown, heading: str) -> str:
    """Return the whole page."""
    rows = [table.measured(result, shown.budget_watts) for result in shown.results]
    return html.page(
        "Wattline: one fleet of agents, three ways",
        f"""<h1>One fleet of agents under {escape(table.kilowatts(shown.budget_watts))}, three ways</h1>
<p class="note">{escape(heading)}. The GPUs and engines are simulated, everything between them is the real product;
this is not a hardware result.</p>
{html.table(table.HEADINGS, [row.cells() for row in rows], kind="last")}
<h2>Over time</h2>
{plots.figure(shown.results, shown.budget_watts)}
<h2>What the agents felt</h2>
{_agents(shown.results)}
<h2>What was measured, and how</h2>
<ul>
<li>Watts, joules, clocks and temperatures are the simulated world's own record, second by second, not what Wattline
reports of itself. Joules per run are those of all GPUs from the first arrival to the end of the pass, idle and
unfinished runs included, over the runs done.</li>
<li>The budget is 0.75 of the highest draw of one second in the first pass. The uniform cap gives every GPU the same
static power limit, as <code>nvidia-smi -pl</code> would.</li>
<li>Resident is the KV memory that the sessions need to keep, tool gaps included, over the memory there is; above
100 % contexts are evicted and computed again. Recomputed is the share of all computed prompt tokens that had been
computed before.</li>
<li>An agent's rate is its output tokens over the seconds since its request arrived, in windows of 30 s: prefill
counts, and so does waiting for a start; tools do not.</li>
{_checks(shown)}
</ul>
{_failures(shown.results)}""",
    )


def _agents(results: Sequence[PassResult]) -> str:
    """Return the table of what the agents felt."""
    lines = []
    for result in results:
        rates, seconds = agent_rates(result.outcomes), result.run_seconds
        lines.append(
            (
                result.name,
                _figure(quantile(seconds, 0.5), "s"),
                _figure(quantile(seconds, 0.95), "s"),
                _figure(quantile(rates, 0.5), "tok/s"),
                _figure(quantile(rates, 0.05), "tok/s"),
                str(sum(outcome.refusals for outcome in result.outcomes)),
            )
        )
    names = ("", "run, median", "run, P95", "agent rate, median", "agent rate, P5", "refused starts")
    return html.table(names, lines, kind="last")


def _figure(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.0f} {unit}"


def _checks(shown: Shown) -> str:
    """Return what the device journals and the loops' punctuality say."""
    lines = [
        f"{result.name}: by the device journals, the limits in force never allowed more than "
        f"{table.kilowatts(result.highest_bound_watts)} together, overshoot included."
        for result in shown.results
        if result.highest_bound_watts is not None
    ]
    lines.append(
        "After every pass all limits and clocks were as they had been before it, by the devices themselves."
    )
    late = max(result.late_seconds for result in shown.results)
    lines.append(
        f"Everything ran at {shown.speed:g} times real time; 95 of 100 seconds of the node loops were at most "
        f"{late:.2f} world seconds late."
    )
    return "".join(f"<li>{escape(line)}</li>" for line in lines)


def _failures(results: Sequence[PassResult]) -> str:
    failures = [
        f"<li>{escape(result.name)}, {escape(outcome.id)}: {escape(outcome.failure)}</li>"
        for result in results
        for outcome in result.outcomes
        if outcome.failure
    ]
    return f"<h2>Runs that failed</h2><ul>{''.join(failures)}</ul>" if failures else ""
