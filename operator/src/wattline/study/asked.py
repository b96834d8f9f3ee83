"""What was asked, in lines that people read."""

from collections import Counter
from importlib.metadata import version

from wattline.model.fleet import full_name
from wattline.study.question import Answer, Question


def lines(answer: Answer) -> list[tuple[str, str]]:
    """Return name and text of each line."""
    question = answer.question
    out = [("fleet", f"{fleet(question)} ({question.origin})")]
    if question.what_if:
        out.append(("what if", " ".join(question.what_if)))
    admission = "on" if question.admission else "off"
    moved = (
        f"clock {question.clock} · cap {question.cap} · routing {question.routing} · admission {admission}"
    )
    by = f"wattline {version('wattline')}, seed {question.seed}, power curve {question.shape}"
    out += [("agents", _agents(question)), ("policies", moved), ("by", by)]
    return out


def fleet(question: Question) -> str:
    """Return what stands in a fleet."""
    of = question.standing()
    gpus = {uuid for pool in of.pools for endpoint in pool.spec.endpoints for uuid in endpoint.gpus}
    nodes = {endpoint.node for pool in of.pools for endpoint in pool.spec.endpoints}
    models = Counter(pool.spec.model for pool in of.pools)
    return (
        f"{len(gpus)} {question.product} on {_count(len(nodes), 'node')}, {_count(len(of.pools), 'pool')} of "
        f"{', '.join(models)}, {_count(len(of.domains), 'power domain')}"
    )


def _agents(question: Question) -> str:
    runs = (
        "generated runs, shaped like recorded ones (--trace plays yours)"
        if question.trace is None
        else f"runs of {question.trace}"
    )
    rates = [
        f"{'' if len(question.loads()) == 1 else full_name(load.pool) + ' '}{load.runs_per_second:g} runs/s"
        for load in question.loads()
        if load.runs_per_second is not None
    ]
    when = (
        f"Poisson, {', '.join(rates)}"
        if question.arrivals is None
        else f"as in {question.arrivals}" + (f" at {', '.join(rates)}" if rates else "")
    )
    prefix = "" if question.shared_prefix else ", no opening prompt shared"
    return f"{runs}{prefix}; {when}, for {question.hours:g} h"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
