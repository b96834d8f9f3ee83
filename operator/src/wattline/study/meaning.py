"""What an answer means, in sentences: objectives, budgets, memory, and what to ask next."""

from collections.abc import Iterator
from dataclasses import dataclass

from wattline.sim.poolreport import PoolReport
from wattline.sim.watts import DomainReport
from wattline.study.answer import Answer
from wattline.study.shown import counted, share, span, watts

MUCH_RECOMPUTED = 0.10
"""From this share on, contexts are evicted that are needed again."""


FEW_RUNS = 20
"""Of fewer no P95 can be told."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One thing to know of an answer."""

    text: str
    alarming: bool = False


def sentences(answer: Answer) -> tuple[Sentence, ...]:
    """Return what there is to say, the worst first."""
    found = [*_pools(answer), *_domains(answer), *_heat(answer)]
    found += [Sentence(note.rstrip(".")) for note in answer.report.notes]
    return tuple(sorted(found, key=lambda sentence: not sentence.alarming))


def _pools(answer: Answer) -> Iterator[Sentence]:
    for pool in answer.report.pools:
        if not pool.runs_offered:
            yield Sentence(
                f"no run came to {pool.name}; more --hours or a higher --rate bring some", alarming=True
            )
        elif pool.runs_offered < FEW_RUNS:
            yield Sentence(
                f"only {counted(pool.runs_offered, 'run')} came to {pool.name}: its figures are of these and no more; more "
                "--hours or a higher --rate bring more",
                alarming=True,
            )
        yield from _objective(pool, answer)
        open_runs = pool.runs_offered - pool.runs_finished - pool.runs_outgrown
        if open_runs:
            yield Sentence(
                f"{open_runs} of {pool.name}'s {pool.runs_offered} runs had not ended when the simulation did: "
                "more came than its replicas can do",
                alarming=True,
            )
        if pool.runs_outgrown:
            yield Sentence(
                f"{pool.runs_outgrown} of {pool.name}'s {pool.runs_offered} runs would grow longer than a replica can hold; they "
                "were not started",
                alarming=True,
            )
        if pool.turns_retried:
            yield Sentence(
                f"{pool.turns_retried} turns of {pool.name} were asked again because their replica went away; what "
                f"it had in memory was computed again, and {pool.lost_tokens} tokens were generated again"
            )
        elif pool.recomputed_ratio >= MUCH_RECOMPUTED:
            yield Sentence(
                f"{share(pool.recomputed_ratio, 1)} of {pool.name}'s computed prompt tokens had been computed before: "
                f"memory is short; {_more_room(answer)}",
                alarming=True,
            )
        if pool.sessions_returned:
            yield Sentence(
                f"memory ran out under {pool.name}'s sessions {pool.sessions_returned} times; they went back to wait"
            )


def _faster(answer: Answer) -> str:
    question = answer.question
    helps = ["more replicas", "a lower --rate"]
    helps += ["a higher --clock"] if question.clock.isdecimal() else []
    helps += ["a larger budget"] if question.cap != "none" and question.fleet.domains else []
    return f"{', '.join(helps[:-1])} or {helps[-1]} help"


def _more_room(answer: Answer) -> str:
    first = "" if answer.question.admission else "try --admission on, "
    return f"{first}more replicas or a lower --rate help"


def _objective(pool: PoolReport, answer: Answer) -> Iterator[Sentence]:
    asked, got = pool.objective_tokens_per_second, pool.tokens_per_second_per_agent_p5
    if got is None:
        return
    if not got:
        yield Sentence(
            f"{pool.name} misses its objective: 5 of 100 agent windows get no token at all ({asked:g} tok/s asked); "
            f"{_faster(answer)}",
            alarming=True,
        )
    elif got >= asked:
        yield Sentence(
            f"{pool.name} keeps its objective: 95 of 100 agent windows get {got:.1f} tok/s or more ({asked:g} asked)"
        )
    else:
        yield Sentence(
            f"{pool.name} misses its objective: 5 of 100 agent windows get less than {got:.1f} tok/s ({asked:g} asked); "
            f"{_faster(answer)}",
            alarming=True,
        )


def _domains(answer: Answer) -> Iterator[Sentence]:
    seconds = answer.report.seconds
    for domain in answer.report.domains:
        over = domain.over_budget_seconds
        if over:
            remedy = "; try --cap wattline" if answer.question.cap == "none" else ""
            yield Sentence(
                f"{domain.name} draws more than its {watts(domain.budget_watts)} for {span(over)} "
                f"({share(over, seconds)} of the time), {watts(domain.peak_watts)} at most{remedy}",
                alarming=True,
            )
        else:
            yield Sentence(
                f"{domain.name} never draws more than its {watts(domain.budget_watts)}{_room(domain)}"
            )


def _room(domain: DomainReport) -> str:
    left = domain.budget_watts - domain.peak_watts
    return f": {watts(left)} are left at its highest second" if left > 0 else ""


def _heat(answer: Answer) -> Iterator[Sentence]:
    throttled = answer.report.throttle_seconds
    if throttled:
        yield Sentence(
            f"heat lowered the clock of GPUs for {span(throttled)} in all; the hottest reached "
            f"{answer.report.max_celsius:.0f} °C",
            alarming=True,
        )
