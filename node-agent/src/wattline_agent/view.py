"""What the device process tells: the whole of it, as one value."""

from math import isfinite

from wattline.api.powernode import GpuStatus, NodeState, Outcome
from wattline.loops.moves import STEP_WATTS
from wattline.loops.node import GpuTarget
from wattline.model.wire import GpuSample, LevelView
from wattline_agent.budget import Source, tightest
from wattline_agent.emergency import Armed, Begun
from wattline_agent.governor import Governor, Mode
from wattline_agent.gpu import Gpu
from wattline_agent.messages import Count, GpuLine, Move, SourceLine, SpreadSeen, View
from wattline_agent.readiness import waiting
from wattline_agent.tally import Spread
from wattline_agent.thermal import TRUST_SAMPLES

STATES = {
    Mode.WAIT: NodeState.OBSERVING,
    Mode.OBSERVE: NodeState.OBSERVING,
    Mode.ENFORCE: NodeState.ENFORCING,
    Mode.FAILSAFE: NodeState.FAILSAFE,
    Mode.RELEASE: NodeState.RELEASED,
    Mode.BACK: NodeState.OBSERVING,
    Mode.HOLD: NodeState.OBSERVING,
}

DRIFTS = ("external", "driver_reload", "persistence", "clock")
"""Causes of drift; told before the first one too, so that Prometheus sees it come."""


def view(governor: Governor, boot_id: str, now: float) -> View:
    """Return everything the governor knows."""
    hands = governor.hands
    state, reason = _state(governor)
    decision = governor.decision
    enforcing = governor.mode in {Mode.ENFORCE, Mode.FAILSAFE}
    sources = governor.sources(governor.mode) if enforcing else ()
    return View(
        at_seconds=now,
        boot_id=boot_id,
        state=state,
        reason=reason,
        waiting=waiting(governor, now),
        observed_generation=governor.in_force_generation,
        epoch=max(0, hands.record.record.fence.epoch),
        budget_watts=governor.budget_watts(governor.mode) if enforcing else None,
        budget_source=_source(tightest(sources, now)) if enforcing else None,
        budget_sources=tuple(_source(each) for each in sources),
        emergencies=_levels(governor),
        signals_heard=dict(hands.record.record.emergencies.heard),
        bound_watts=governor.bound_watts(),
        demand_watts=0.0
        if decision is None or not isfinite(decision.demand_watts)
        else decision.demand_watts,
        heat_freed_watts=0.0 if decision is None else decision.heat_freed_watts,
        lease_remaining_seconds=hands.record.record.lease.remaining_seconds(now),
        gpus=tuple(_line(gpu, governor, now) for gpu in hands.gpus.values()),
        counts=_counts(governor),
        spreads=_spreads(governor),
        moves=tuple(
            Move(
                at_seconds=each.at_seconds,
                number=each.number,
                uuid=each.uuid,
                what=each.what,
                why=each.why,
            )
            for each in hands.tally.recent(now, governor.settings.moves_told_seconds)
        ),
    )


def outcomes(governor: Governor, now: float) -> object:
    """Return what is told at once when it changes: of the view, and much cheaper, as it is compared at every pass."""
    enforcing = governor.mode in {Mode.ENFORCE, Mode.FAILSAFE}
    source = tightest(governor.sources(governor.mode), now) if enforcing else None
    return (
        _state(governor)[0],
        waiting(governor, now),
        governor.in_force_generation,
        governor.hands.record.record.fence.epoch,
        None if source is None else (source.kind, source.name),
        tuple((level.level, level.until_seconds, level.in_force) for level in _levels(governor)),
        tuple(_gpu_outcomes(gpu, governor, now) for gpu in governor.hands.gpus.values()),
    )


def _gpu_outcomes(gpu: Gpu, governor: Governor, now: float) -> tuple[object, ...]:
    outcome, reason = _outcome(gpu, governor)
    return (
        gpu.identity.uuid,
        outcome,
        reason.partition(":")[0],
        _told_clock_mhz(gpu, governor),
        gpu.events.word(now, gpu.settings.hardware_told_seconds),
        gpu.tuning.words(),
        gpu.ramping.words(),
    )


def _source(source: Source) -> SourceLine:
    return SourceLine(
        kind=source.kind, name=source.name, watts=source.watts, until_seconds=source.until_seconds
    )


def _levels(governor: Governor) -> tuple[LevelView, ...]:
    """Return the armed levels, and those that hold though no order arms them any more."""
    levels = governor.hands.record.record.emergencies
    ready: dict[str, Armed | Begun] = {**levels.armed, **levels.begun}
    return tuple(
        LevelView(
            level=name,
            budget_watts=each.budget_watts,
            duration_seconds=each.duration_seconds,
            until_seconds=levels.begun[name].until_seconds if name in levels.begun else None,
            in_force=name in levels.begun and governor.inside(each.budget_watts),
        )
        for name, each in sorted(ready.items())
    )


def _state(governor: Governor) -> tuple[NodeState, str]:
    hands = governor.hands
    if hands.away:
        return NodeState.WAITING_FOR_DRIVER, hands.away
    if hands.record.unreadable:
        return NodeState.DEGRADED, f"StateFileUnreadable: {hands.record.unreadable}"
    for word, lost in (("GpuLost", True), ("SensorLost", False)):
        which = [each for each, gpu in hands.gpus.items() if gpu.reading is None and bool(gpu.lost) is lost]
        if which:
            return NodeState.DEGRADED, f"{word}: {', '.join(which)}"
    expected = set(hands.record.record.gpus)
    expected.update(gpu.uuid for gpu in (() if governor.spec is None else governor.spec.gpus))
    if missing := sorted(expected - hands.gpus.keys()):
        return NodeState.DEGRADED, f"GpuMissing: not shown since our start: {', '.join(missing)}"
    if governor.mode is Mode.RELEASE and hands.record.record.gpus:
        return NodeState.ENFORCING, "Releasing"
    return STATES[governor.mode], governor.mode.value


def _line(gpu: Gpu, governor: Governor, now: float) -> GpuLine:
    reading, identity = gpu.reading, gpu.identity
    was = governor.hands.record.record.gpus.get(identity.uuid)
    decision = governor.decision
    target = None if decision is None else decision.targets.get(identity.uuid)
    outcome, reason = _outcome(gpu, governor)
    return GpuLine(
        index=identity.index,
        status=GpuStatus(
            uuid=identity.uuid,
            product=identity.product,
            min_watts=identity.min_watts,
            max_watts=identity.max_watts,
            default_watts=identity.default_watts,
            previous_watts=None if was is None else was.limit_watts,
            requested_watts=gpu.requested_watts,
            enforced_watts=None if reading is None else reading.limit_watts,
            bound_watts=gpu.bound_watts,
            outcome=outcome,
            reason=reason,
            profile=gpu.tuning.words(),
            ramp=gpu.ramping.words(),
            read_at_seconds=None if reading is None else reading.at_seconds,
            heat_clock_mhz=_told_clock_mhz(gpu, governor),
            hardware_event=gpu.events.word(now, gpu.settings.hardware_told_seconds),
        ),
        sample=None
        if reading is None
        else GpuSample(
            uuid=identity.uuid,
            product=identity.product,
            energy_joules=reading.energy_joules,
            watts=reading.watts,
            limit_watts=reading.limit_watts,
            clock_mhz=reading.clock_mhz,
            celsius=reading.celsius,
            margin_celsius=reading.margin_celsius,
            event_reasons=reading.reasons.words(),
        ),
        instant_watts=None if reading is None else reading.instant_watts,
        policy_watts=None if target is None else target.limit_watts,
        clock_asked_mhz=gpu.clock_mhz,
        clock_max_mhz=identity.clocks_mhz[-1] if identity.clocks_mhz else None,
        clock_reason=f"{target.clock_why}: {target.clock_detail}" if target is not None else "",
        thermal_band=gpu.heat.band,
        thermal_clock_ratio=gpu.heat.clock_ratio,
        thermal_margin_celsius=gpu.margin_celsius(),
        thermal_ahead_celsius=gpu.ahead_celsius(),
        thermal_error_celsius=gpu.fit.error_celsius if gpu.fit.compared >= TRUST_SAMPLES else None,
        parts=() if reading is None else reading.parts,
        event_seconds=gpu.event_seconds,
    )


def _told_clock_mhz(gpu: Gpu, governor: Governor) -> int | None:
    """Return what its own heat allows a GPU whose replica has others on other nodes."""
    top = gpu.heat.clock_top_mhz(gpu.identity.clocks_mhz)
    if top is None or governor.spec is None:
        return None
    orders = governor.spec.gpus
    return top if any(each.uuid == gpu.identity.uuid and each.spans_nodes for each in orders) else None


def _outcome(gpu: Gpu, governor: Governor) -> tuple[Outcome, str]:
    """Return what became of the last thing asked, and why, one word first."""
    if gpu.outcome in {Outcome.BLOCKED, Outcome.ERROR}:
        return gpu.outcome, gpu.reason
    if governor.mode is Mode.RELEASE and gpu.identity.uuid not in governor.hands.record.record.gpus:
        return Outcome.NONE, "Released"
    decision = governor.decision
    target = None if decision is None else decision.targets.get(gpu.identity.uuid)
    if governor.mode is Mode.OBSERVE and target is not None:
        return Outcome.NONE, f"Observing: {_would(target)}"
    if governor.mode not in {Mode.ENFORCE, Mode.FAILSAFE}:
        return Outcome.NONE, governor.mode.value
    if target is None:
        return Outcome.NONE, "NotOrdered"
    if gpu.clock_blocked:
        return Outcome.BLOCKED, f"Clock{gpu.clock_blocked}"
    if gpu.asked_watts - target.limit_watts >= STEP_WATTS and not gpu.heat.emergency:
        return Outcome.NONE, f"Pending: to be lowered to {target.limit_watts:.0f} W"
    why = (
        "Emergency: about to overheat" if gpu.heat.emergency else f"{target.limit_why}: {target.limit_detail}"
    )
    return Outcome.APPLIED, why


def _would(target: GpuTarget) -> str:
    clock = "leave the clock to the driver" if target.clock_mhz is None else f"lock {target.clock_mhz} MHz"
    return f"would limit to {target.limit_watts:.0f} W ({target.limit_why}) and {clock} ({target.clock_why})"


def _counts(governor: Governor) -> tuple[Count, ...]:
    hands = governor.hands
    return (
        *(Count(name="actuations", labels=key, value=n) for key, n in sorted(hands.tally.actuations.items())),
        *(
            Count(name="limit_drift", labels=(key,), value=n)
            for key, n in sorted((dict.fromkeys(DRIFTS, 0) | hands.tally.drifts).items())
        ),
        *(
            Count(name="sensor_failures", labels=(key,), value=n)
            for key, n in sorted(({"GpuLost": 0} | hands.tally.failures).items())
        ),
        Count(name="gpu_lost", value=hands.tally.failures["GpuLost"]),
        Count(name="readback_mismatch", value=hands.tally.mismatches),
        Count(name="failsafe_activations", value=governor.failsafes),
        Count(name="nvml_reinit", value=hands.tally.reopened),
        Count(name="state_file_errors", value=hands.record.errors),
        Count(name="control_loop_overruns", value=governor.overruns),
    )


def _spreads(governor: Governor) -> tuple[SpreadSeen, ...]:
    tally = governor.hands.tally
    return (
        *(_spread("actuation_duration", (key,), each) for key, each in sorted(tally.writes.items())),
        _spread("control_loop_duration", (), tally.passes),
    )


def _spread(name: str, labels: tuple[str, ...], spread: Spread) -> SpreadSeen:
    return SpreadSeen(
        name=name,
        labels=labels,
        bounds_seconds=spread.bounds_seconds,
        counts=tuple(spread.counts),
        total_seconds=spread.total_seconds,
    )
