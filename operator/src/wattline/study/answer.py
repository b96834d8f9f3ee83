"""What a question is answered: the report, what was asked, and the hashes of all that decided it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version

from wattline.sim.report import Report
from wattline.sim.simulate import simulate
from wattline.study import digest
from wattline.study.question import Question, Value, hash_of, joined


@dataclass(frozen=True, slots=True)
class Answer:
    """What a simulation answered, and what it was asked."""

    question: Question
    report: Report
    hashes: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """Formats of the traces, and what their readers noticed."""

    def flat(self) -> dict[str, Value]:
        """Return one flat object: the report's names, those of pools and domains with their name in front, what
        was asked, and the hashes of inputs, work and code.
        """
        whole: dict[str, Value] = dict(self.report.flat())
        for pool in self.report.pools:
            whole |= {
                f"pools.{pool.name}.{key}": value for key, value in pool.flat().items() if key != "name"
            }
        return {
            **whole,
            **self.question.asked(),
            **self.hashes,
            "trace_notes": joined(self.notes, "; "),
            "version": version("wattline"),
        }


def answer(question: Question) -> Answer:
    """Play a question."""
    scenario, work, notes = question.scenario()
    report = simulate(scenario)
    return Answer(
        question=question,
        report=report,
        hashes={
            "question_sha256": question.key(),
            "work_sha256": work.hexdigest(),
            "fleet_sha256": digest.of_fleet(question.fleet),
            "trace_sha256": " ".join(hash_of(path) for each in question.sources for path in each.files[:1]),
            "code_sha256": digest.of_code(),
        },
        notes=notes,
    )
