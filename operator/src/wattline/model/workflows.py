"""What must hold inside a workflow beyond what its fields say: templates name what is there."""

from collections.abc import Iterator

from wattline.api.agentworkflow import AgentWorkflowSpec, Step
from wattline.model.template import Names
from wattline.model.template import problems as template_problems

Path = tuple[str | int, ...]


def problems(spec: AgentWorkflowSpec) -> Iterator[tuple[Path, str]]:
    """Yield every problem of the steps, with its place from the top of the object."""
    parameters = frozenset(parameter.name for parameter in spec.parameters)
    for index, step in enumerate(spec.steps):
        before = {each.name: schema(each) for each in spec.steps[:index]}
        for path, text in _templates(step):
            for problem in template_problems(text, Names(parameters, before)):
                yield ("spec", "steps", index, *path), problem
        for place, word in enumerate(step.tool.job.command if step.tool is not None else ()):
            if "{{" in word:
                yield (
                    ("spec", "steps", index, "tool", "job", "command", place),
                    "a command is taken as it is, so that no answer can become code; give the value a name in env",
                )


def schema(step: Step) -> dict[str, object] | None:
    """Return the JSON schema of a step's answer, None where it is text."""
    return None if step.llm is None else step.llm.answer


def _templates(step: Step) -> Iterator[tuple[Path, str]]:
    if step.llm is not None:
        yield ("llm", "prompt"), step.llm.prompt
    if step.tool is not None:
        for index, variable in enumerate(step.tool.job.env):
            yield ("tool", "job", "env", index, "value"), variable.value
