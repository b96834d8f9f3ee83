"""The same three passes in the simulator: virtual time, one process, seconds instead of minutes."""

from wattline.api.powerdomain import Mode
from wattline.demo import fleet
from wattline.demo.runs import Load
from wattline.demo.show import BUDGET_OF_PEAK
from wattline.demo.stage import Setting
from wattline.demo.table import Row, simulated
from wattline.model.fleet import full_name
from wattline.policy.route import Mode as Routing
from wattline.sim.report import Report
from wattline.sim.scenario import Cap, Scenario
from wattline.sim.simulate import simulate
from wattline.world.gpu import PRODUCTS


def three_rows(setting: Setting, load: Load) -> tuple[Row, ...]:
    """Return the demo's rows as the simulator has them."""
    peak = _simulated(setting, load, None, cap="none").peak_watts or 0.0
    budget = BUDGET_OF_PEAK * peak
    gpus = sum(len(endpoint.gpus) for pool in setting.fleet.pools for endpoint in pool.spec.endpoints)
    fastest = str(PRODUCTS[setting.product].max_mhz)
    return (
        simulated("full clocks", _simulated(setting, load, budget, cap="none"), budget, fastest),
        simulated(
            "uniform cap",
            _simulated(setting, load, budget, cap="uniform"),
            budget,
            f"{budget / gpus:.0f} W each",
        ),
        simulated("wattline", _simulated(setting, load, budget, cap="wattline"), budget, ""),
    )


def _simulated(setting: Setting, load: Load, budget_watts: float | None, *, cap: Cap) -> Report:
    ours = cap == "wattline"
    declared = fleet.ordered(setting.fleet, Mode.ENFORCE, budget_watts)
    return simulate(
        Scenario(
            declared,
            full_name(declared.pools[0]),
            load.arrivals,
            setting.longest_seconds / 3600,
            product=setting.product,
            routing=Routing.WATTLINE if ours else Routing.AFFINITY,
            admission=ours,
            clock="wattline" if ours else None,
            cap=cap,
            seed=setting.seed,
            drain_hours=0.0,
            watch_watts=True,
        )
    )
