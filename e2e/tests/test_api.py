"""What the API server accepts, defaults and rejects is what the models do: one table drives both.

The table has two parts: sentences about what users write, and the limits of every field, taken from the definitions
themselves, with a value on each side of each limit.
"""

import copy
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client.exceptions import ApiException
from pydantic import ValidationError

from harness.settings import REPOSITORY
from wattline.api import crds as definitions
from wattline.api.base import GROUP, VERSION
from wattline.doors import manifests

AT_ONCE = 6
KINDS = {kind.__name__: kind for kind in definitions.KINDS}
OBJECTS = Path(__file__).with_name("objects")
TAKEN_AWAY = object()
OPERATOR = {
    "Impersonate-User": "system:serviceaccount:wattline-system:wattline-operator",
    "Impersonate-Group": "system:masters",
}
"""Who may write every kind, also where the chart's policies are installed already."""


@dataclass(frozen=True)
class Case:
    """One object that somebody may write."""

    says: str
    written: dict[str, Any]
    accepted: bool | None
    """What the table expects; None where it asks for no more than that both agree."""


@cache
def _base(name):
    return yaml.safe_load((OBJECTS / f"{name}.yaml").read_text())


def changed(name, changes):
    """A copy of a base object with values put in or taken away, by path."""
    written = copy.deepcopy(_base(name))
    for path, value in changes.items():
        inside = written
        *way, last = path
        for step in way:
            inside = inside.setdefault(step, {}) if isinstance(inside, dict) else inside[step]
        if value is TAKEN_AWAY:
            inside.pop(last)
        else:
            inside[last] = value
    return written


def path_of(dotted):
    return tuple(int(step) if step.isdigit() else step for step in dotted.split("/"))


SENTENCES = [
    # says, base, changes, accepted
    ("a domain without a budget", "powerdomain", {"spec/budget": TAKEN_AWAY}, False),
    ("a budget that the reserve uses up", "powerdomain", {"spec/budget/reservedWatts": 24000}, False),
    ("nodes both named and selected", "powerdomain", {"spec/nodes": ["gpu-1"]}, False),
    ("a selector beside an empty list of nodes", "powerdomain", {"spec/nodes": []}, True),
    ("a selector without labels", "powerdomain", {"spec/nodeSelector/matchLabels": {}}, False),
    ("a selector with an empty value", "powerdomain", {"spec/nodeSelector/matchLabels": {"row": ""}}, True),
    ("a misspelt field", "powerdomain", {"spec/bugdet": {"watts": 1}}, False),
    ("a misspelt field deep inside", "powerdomain", {"spec/budget/wats": 1}, False),
    ("watts as text", "powerdomain", {"spec/budget/watts": "24000"}, False),
    ("watts as a truth value", "powerdomain", {"spec/budget/watts": True}, False),
    ("a mode in lower case", "powerdomain", {"spec/mode": "enforce"}, False),
    ("a parent with capital letters", "powerdomain", {"spec/parent": "Hall-1"}, False),
    ("no spec", "powerdomain", {"spec": TAKEN_AWAY}, False),
    ("another version of the API", "powerdomain", {"apiVersion": "wattline.dev/v1"}, False),
    ("a name with capital letters", "powerdomain", {"metadata/name": "Row"}, False),
    ("a name with two dots in a row", "powerdomain", {"metadata/name": "row..a"}, False),
    ("a name with a dash beside a dot", "powerdomain", {"metadata/name": "row-.a"}, False),
    ("a pool without any source of replicas", "inferencepool", {"spec/endpoints": TAKEN_AWAY}, False),
    ("a pool with an empty list of endpoints alone", "inferencepool", {"spec/endpoints": []}, False),
    ("a pool with two sources of replicas", "inferencepool", {"spec/poolRef": {"name": "x"}}, False),
    ("a template beside an empty list of endpoints", "inferencepool-template", {"spec/endpoints": []}, True),
    ("two endpoints of one name", "inferencepool", {"spec/endpoints/1/name": "coder-0"}, False),
    ("an endpoint's address with a path", "inferencepool", {"spec/endpoints/0/url": "http://a/v1"}, False),
    ("an endpoint's address with a newline at the end", "inferencepool", {"spec/endpoints/0/url": "http://a\n"}, False),
    ("an endpoint without GPUs", "inferencepool", {"spec/endpoints/0/gpus": []}, False),
    ("thresholds of memory in the wrong order", "inferencepool", {"spec/memory/admitBelow": 0.99}, False),
    ("one threshold that is out of order with the others' defaults", "inferencepool", {"spec/memory": {"admitBelow": 0.5}}, False),
    ("a least power limit above the greatest", "inferencepool", {"spec/power/wattsPerGpu/min": 701}, False),
    ("a least power limit alone", "inferencepool", {"spec/power/wattsPerGpu": {"min": 701}}, True),
    ("a clock that is not whole", "inferencepool", {"spec/power/clockMhz/min": 900.5}, False),
    ("no replicas at all", "inferencepool", {"spec/replicas": 0}, True),
    ("replicas as text", "inferencepool", {"spec/replicas": "2"}, False),
    ("a template with anything a pod may have", "inferencepool-template", {"spec/template/spec/anything": {"at": ["all"]}}, True),
    ("a template without a spec", "inferencepool-template", {"spec/template/spec": TAKEN_AWAY}, False),
    ("a template whose metadata names the pod", "inferencepool-template", {"spec/template/metadata/name": "x"}, False),
    ("a label of the template that is a number", "inferencepool-template", {"spec/template/metadata/labels": {"a": 1}}, False),
    ("a workload of a kind that has no replicas", "inferencepool-workload", {"spec/workloadRef/kind": "DaemonSet"}, False),
    ("a reference by name alone", "inferencepool-workload", {"spec/workloadRef": {"name": "chat"}}, False),
    ("a run without steps", "agentworkflow", {"spec/steps": []}, False),
    ("an external agent with steps", "agentworkflow", {"spec/trigger": "External"}, False),
    ("an external agent with parameters", "agentworkflow-external", {"spec/parameters": [{"name": "a", "value": "b"}]}, False),
    ("two parameters of one name", "agentworkflow", {"spec/parameters": [{"name": "a", "value": "b"}] * 2}, False),
    ("two steps of one name", "agentworkflow", {"spec/steps/1/name": "plan"}, False),
    ("a step that is both a call and a tool", "agentworkflow", {"spec/steps/0/tool": {"job": {"image": "x"}}}, False),
    ("a step that is nothing", "agentworkflow", {"spec/steps/0/llm": TAKEN_AWAY}, False),
    ("a schema of the answer with anything in it", "agentworkflow", {"spec/steps/0/llm/answer": {"anyOf": [{}, {"x": [1]}]}}, True),
    ("an order without a lease", "powernode", {"spec/lease": TAKEN_AWAY}, False),
    ("an order for a replica without GPUs", "powernode", {"spec/replicas/0/gpus": []}, False),
]  # fmt: skip
"""What users write, and what becomes of it."""


def sentences() -> Iterator[Case]:
    for name in sorted(path.stem for path in OBJECTS.glob("*.yaml")):
        yield Case(f"{name} as it stands", _base(name), accepted=True)
    for says, name, changes, accepted in SENTENCES:
        yield Case(says, changed(name, {path_of(path): value for path, value in changes.items()}), accepted)


def examples() -> Iterator[Case]:
    """Our kinds in every file that users are told to apply; their namespaces need not be there."""
    for path in sorted((REPOSITORY / "examples").rglob("*.yaml")):
        for number, written in enumerate(yaml.safe_load_all(path.read_text())):
            if (
                isinstance(written, dict)
                and written.get("kind") in KINDS
                and written["apiVersion"].startswith(GROUP)
            ):
                written["metadata"].pop("namespace", None)
                yield Case(f"{path.relative_to(REPOSITORY)} {number}", written, accepted=True)


def limits() -> Iterator[Case]:
    """Every field of every base object, with values on both sides of what its definition allows."""
    for name in sorted(path.stem for path in OBJECTS.glob("*.yaml")):
        kind = KINDS[_base(name)["kind"]]
        schema = definitions.schema(kind)["properties"]["spec"]
        for path, inside in fields(schema, _base(name)["spec"], ("spec",)):
            where = f"{name} {'.'.join(map(str, path))}"
            yield Case(f"{where} taken away", changed(name, {path: TAKEN_AWAY}), None)
            for value in values(inside):
                yield Case(f"{where} = {_shown(value)}", changed(name, {path: value}), None)


def fields(schema, written, path):
    """Each written field below a schema, with its own schema."""
    for key, inside in schema.get("properties", {}).items():
        if isinstance(written, dict) and key in written:
            yield (*path, key), inside
            yield from fields(inside, written[key], (*path, key))
    if "items" in schema:
        for index, item in enumerate(written[:1]):
            yield from fields(schema["items"], item, (*path, index))


def values(schema):
    """Values at, and just outside, what a schema allows; and some of other types."""
    yield from (None, "", "text", "Text_", "x\n", 0, -1, 1.5, True, [], {}, ["text"], {"text": "text"})
    yield from schema.get("enum", ())
    for bound in ("minimum", "maximum"):
        if bound in schema:
            yield from (schema[bound], schema[bound] - 1, schema[bound] + 1)
    if "maxLength" in schema:
        yield from ("a" * schema["maxLength"], "a" * (schema["maxLength"] + 1))
    if "maxItems" in schema and schema.get("items", {}).get("type") == "string":
        yield from ([f"a{n}" for n in range(count)] for count in (schema["maxItems"], schema["maxItems"] + 1))


def _shown(value):
    text = json.dumps(value)
    return text if len(text) < 40 else f"{text[:20]}… of {len(text)}"


def model_says(written):
    """The spec with its defaults, or why it is refused; as `-f` reads it, but without absent fields."""
    kind = KINDS[written["kind"]]
    try:
        made = manifests._made(kind, manifests._ours(written, kind))
    except ValidationError as error:
        return None, str(error)
    return made.spec.model_dump(mode="json", by_alias=True, exclude_none=True), ""


def server_says(api, namespace, written):
    """The spec with its defaults, or why it is refused."""
    kind = KINDS[written["kind"]]
    headers = {"Content-Type": "application/json", "Accept": "application/json", **OPERATOR}
    path = f"/apis/{GROUP}/{VERSION}/" + (f"namespaces/{namespace}/" if kind.namespaced else "") + kind.plural
    try:
        made = api.call_api(
            "POST",
            f"{api.configuration.host}{path}?dryRun=All&fieldValidation=Strict",
            header_params=headers,
            body=written,
        )
        answer = json.loads(made.read())
    except ApiException as error:
        answer = json.loads(error.body)
    if answer["kind"] != "Status":
        return answer["spec"], ""
    assert answer["code"] in {400, 422}, answer
    return None, answer["message"]


@pytest.fixture(scope="session")
def anywhere(cluster, crds):
    """A namespace for objects that are never made."""
    return "default"


@pytest.fixture(scope="session")
def asked(api, anywhere, request):
    """What the server says of every case that is to be tested, by the case; asked at once, for one by one it waits."""
    cases = [item.callspec.params["case"] for item in request.session.items if "asked" in item.fixturenames]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {id(case): pool.submit(server_says, api, anywhere, case.written) for case in cases}


def both(asked, case):
    model, model_why = model_says(case.written)
    server, server_why = asked[id(case)].result()
    assert (model is None) == (server is None), (
        f"model: {model_why or 'accepts'}\nserver: {server_why or 'accepts'}"
    )
    assert model == server, "the defaults differ"
    return model is not None


@pytest.mark.parametrize("case", [pytest.param(case, id=case.says) for case in (*sentences(), *examples())])
def test_sentence(asked, case):
    assert both(asked, case) is case.accepted


@pytest.mark.parametrize("case", [pytest.param(case, id=case.says) for case in limits()])
def test_limits_of_every_field(asked, case):
    both(asked, case)
