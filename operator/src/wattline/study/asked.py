"""What was asked, in lines that people read."""

from collections import Counter
from importlib.metadata import version

from wattline.model.fleet import full_name
from wattline.model.sums import in_order
from wattline.sim.mix import OWN, POISSON, Source
from wattline.study.answer import Answer
from wattline.study.question import Question
from wattline.study.shown import counted


def lines(answer: Answer) -> list[tuple[str, str]]:
    """Return name and text of each line."""
    question = answer.question
    out = [("fleet", f"{fleet(question)} ({question.origin})")]
    if question.what_if:
        out.append(("what if", " ".join(question.what_if)))
    out += [("profile", text) for text in _profiles(question)]
    admission = "on" if question.admission else "off"
    moved = (
        f"clock {question.clock} · cap {question.cap} · routing {question.routing} · admission {admission}"
    )
    by = f"wattline {version('wattline')}, seed {question.seed}, power curve {question.shape}, sensors {question.sensors}"
    out += [("agents", _agents(question)), ("policies", moved), ("by", by)]
    return out


def _profiles(question: Question) -> list[str]:
    """Return which pools each ModelProfile is the engine of."""
    pools = question.standing().pools
    out = []
    for profile in question.fleet.profiles:
        spec = profile.spec
        played = [
            pool.metadata.name
            for pool in pools
            if spec.product == question.product
            and spec.model == pool.spec.model
            and any(len(endpoint.gpus) == spec.gpus for endpoint in pool.spec.endpoints)
        ]
        of = f"no pool has {spec.model} on {spec.gpus} {spec.product}"
        if spec.engine is None:
            played, of = [], "it has no fitted engine"
        out.append(f"{profile.metadata.name}: {', '.join(played) or f'not played, {of}'}")
    return out


def gpus(question: Question) -> str:
    """Return how many GPUs stand on how many nodes."""
    endpoints = [endpoint for pool in question.standing().pools for endpoint in pool.spec.endpoints]
    count = len({uuid for endpoint in endpoints for uuid in endpoint.gpus})
    return f"{count} {question.product} on {counted(len({endpoint.node for endpoint in endpoints}), 'node')}"


def fleet(question: Question) -> str:
    """Return what stands in a fleet."""
    of = question.fleet
    models = ", ".join(Counter(pool.spec.model for pool in of.pools))
    return f"{gpus(question)}, {counted(len(of.pools), 'pool')} of {models}, {counted(len(of.domains), 'power domain')}"


def _agents(question: Question) -> str:
    rates = [
        f"{'' if len(question.loads()) == 1 else full_name(load.pool) + ' '}{load.runs_per_second:g} runs/s"
        for load in question.loads()
        if load.runs_per_second is not None
    ]
    rate = ", ".join(rates)
    prefix = "" if question.shared_prefix else ", no opening prompt shared"
    shares = in_order(source.weight for source in question.sources if source.rate_per_second is None)
    played = "; ".join(
        f"{_runs(source)}{prefix}; {_when(source, rate if source.weight == shares else _part(source, shares, rate))}"
        for source in question.sources
    )
    return f"{played}{'' if question.load == 1 else f', times {question.load:g}'}, for {question.hours:g} h"


def _runs(source: Source) -> str:
    """Return which runs are played."""
    if source.trace is None:
        return "generated runs, shaped like recorded ones (--trace plays yours)"
    return f"runs of {source}"


def _when(source: Source, rate: str) -> str:
    """Return when they arrive."""
    at = f" at {rate}" if rate and source.rate_per_second is None else ""
    if source.arrivals not in {None, OWN, POISSON}:
        return f"as in {source.arrivals}{at}"
    if source.arrivals == POISSON or not source.timed:
        return f"Poisson, {rate}" if at else "Poisson"
    return f"as recorded{at}"


def _part(source: Source, shares: float, rate: str) -> str:
    """Return which part of a mix's rate one of its traces has."""
    return f"{source.weight:g}/{shares:g} of {rate}" if rate else ""
