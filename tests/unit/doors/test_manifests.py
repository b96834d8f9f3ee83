"""A user's files are read whole, or refused with every problem: place, what stands there, what was expected."""

import pytest

from wattline.doors.manifests import load
from wattline.model.errors import ManifestError

DOMAIN = """\
apiVersion: wattline.dev/v1alpha1
kind: PowerDomain
metadata: {name: row-a}
spec:
  nodes: [gpu-1]
  mode: Enforce
  budget:
    watts: 24000
    nodeOverheadWatts: 1500
"""
POOL = """\
apiVersion: wattline.dev/v1alpha1
kind: InferencePool
metadata: {name: coder, namespace: agents}
spec:
  model: m
  endpoints:
  - {name: a, url: "http://127.0.0.1:8001", node: gpu-1, gpus: [GPU-1]}
  - {name: b, url: "http://127.0.0.1:8002", node: gpu-1, gpus: [GPU-2]}
"""


def refused(tmp_path, text):
    path = tmp_path / "fleet.yaml"
    path.write_text(text)
    with pytest.raises(ManifestError) as caught:
        load([path])
    return str(caught.value).replace(str(path), "fleet.yaml").splitlines()


def test_a_folder_is_read_with_all_its_documents(tmp_path):
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "all.yml").write_text(f"---\n{DOMAIN}---\n{POOL}---\n")
    (tmp_path / "more.yaml").write_text(DOMAIN.replace("row-a", "row-b").replace("gpu-1", "gpu-2"))
    (tmp_path / ".hidden.yaml").write_text("not: ours")
    (tmp_path / "notes.txt").write_text("not: ours")

    fleet = load([tmp_path])

    assert [domain.metadata.name for domain in fleet.domains] == ["row-a", "row-b"]
    assert fleet.domains[0].spec.budget.watts == 24000
    assert [len(pool.spec.endpoints) for pool in fleet.pools] == [2]
    assert fleet.nodes() == ("gpu-1", "gpu-2")


def test_a_field_left_empty_is_a_field_left_out(tmp_path):
    """As for an API server; what is required is missed all the same."""
    path = tmp_path / "empty.yaml"
    path.write_text(DOMAIN.replace("mode: Enforce", "mode:").replace("1500", ""))

    (domain,) = load([path]).domains

    assert (domain.spec.mode, domain.spec.budget.node_overhead_watts) == ("Observe", 0)
    (missed,) = refused(tmp_path, DOMAIN.replace("24000", ""))
    assert missed.startswith("fleet.yaml:8: spec.budget.watts: required, but not there")


def test_what_kubectl_prints_can_be_kept(tmp_path):
    path = tmp_path / "kept.yaml"
    path.write_text(
        DOMAIN.replace(
            "{name: row-a}", "{name: row-a, labels: {a: b}, annotations: {}, uid: x, generation: 7}"
        )
        + "status: {observedGeneration: 7}\n"
    )

    domain = load([path]).domains[0]

    assert (domain.status, domain.metadata.generation) == (None, 0)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        pytest.param(
            "    watts: 24000",
            "    wats: 24000\n    watts: 1",
            "fleet.yaml:8: spec.budget.wats: unknown field, did you mean watts?; "
            "fields here: watts, nodeOverheadWatts, reservedWatts (PowerDomain row-a)",
            id="a typo in a field",
        ),
        pytest.param(
            "nodeOverheadWatts",
            "node_overhead_watts",
            "fleet.yaml:9: spec.budget.node_overhead_watts: unknown field, did you mean nodeOverheadWatts?; "
            "fields here: watts, nodeOverheadWatts, reservedWatts (PowerDomain row-a)",
            id="the code's spelling of a field",
        ),
        pytest.param(
            "watts: 24000",
            "watts: 24kW",
            'fleet.yaml:8: spec.budget.watts: found "24kW", expected watts as a number, e.g. 24000 '
            "(PowerDomain row-a)",
            id="a unit in the value",
        ),
        pytest.param(
            "watts: 24000",
            'watts: "24000"',
            'fleet.yaml:8: spec.budget.watts: found "24000", expected watts as a number, e.g. 24000 '
            "(PowerDomain row-a)",
            id="a number in quotes, which Kubernetes refuses too",
        ),
        pytest.param(
            "    watts: 24000\n",
            "",
            "fleet.yaml:7: spec.budget.watts: required, but not there, expected watts as a number, e.g. 24000 "
            "(PowerDomain row-a)",
            id="a field that is missing",
        ),
        pytest.param(
            "watts: 24000",
            "watts: 24000000000",
            "fleet.yaml:8: spec.budget.watts: found 24000000000, expected at most 1,000,000,000 W; "
            "if these are milliwatts, write 24000000 (PowerDomain row-a)",
            id="milliwatts",
        ),
        pytest.param(
            "watts: 24000",
            "watts: .inf",
            "fleet.yaml:8: spec.budget.watts: found Infinity, expected watts as a number, e.g. 24000 "
            "(PowerDomain row-a)",
            id="infinity",
        ),
        pytest.param(
            "watts: 24000",
            "watts: 24000\n    reservedWatts: 30000",
            "fleet.yaml:7: spec.budget: reservedWatts 30000 leaves nothing of watts 24000 (PowerDomain row-a)",
            id="a rule over two fields",
        ),
        pytest.param(
            "mode: Enforce",
            "mode: enforce",
            "fleet.yaml:6: spec.mode: found \"enforce\", expected 'Observe' or 'Enforce', did you mean Enforce? "
            "(PowerDomain row-a)",
            id="a word in the wrong case",
        ),
        pytest.param(
            "nodes: [gpu-1]",
            "nodes: gpu-1",
            'fleet.yaml:5: spec.nodes: found "gpu-1", expected a list, e.g. ["gpu-1"] (PowerDomain row-a)',
            id="one thing where a list belongs",
        ),
        pytest.param(
            "nodes: [gpu-1]",
            "nodes: [../gpu]",
            'fleet.yaml:5: spec.nodes[0]: found "../gpu", expected lower-case letters, digits, dots and dashes, '
            "e.g. gpu-1 (PowerDomain row-a)",
            id="a name that is no name",
        ),
        pytest.param(
            "v1alpha1",
            "v1",
            'fleet.yaml:1: apiVersion: expected wattline.dev/v1alpha1, found "wattline.dev/v1"',
            id="another version",
        ),
        pytest.param(
            "kind: PowerDomain",
            "kind: Powerdomain",
            'fleet.yaml:2: kind: expected PowerDomain or InferencePool or AgentWorkflow or ModelProfile, found "Powerdomain", '
            "did you mean PowerDomain?",
            id="another kind",
        ),
        pytest.param(
            "  mode: Enforce\n",
            "  mode: Enforce\n  mode: Observe\n",
            "fleet.yaml:7: spec.mode: stands twice; keep one of them",
            id="a key twice, of which YAML would silently take the later",
        ),
        pytest.param(
            "nodes: [gpu-1]",
            "nodes: [gpu-1",
            "fleet.yaml:6: not YAML: expected ',' or ']', but got ':'",
            id="no YAML",
        ),
        pytest.param(
            "nodes: [gpu-1]",
            "parent: hall",
            "fleet.yaml:5: spec.parent: there is no PowerDomain hall; others here: none (PowerDomain row-a)",
            id="a parent that is not there",
        ),
        pytest.param(
            "nodes: [gpu-1]",
            "parent: row-a",
            "fleet.yaml:5: spec.parent: domains form a ring: row-a → row-a; a root domain has no parent "
            "(PowerDomain row-a)",
            id="its own parent",
        ),
    ],
)
def test_a_problem_in_a_domain_is_said_with_its_place_and_remedy(tmp_path, old, new, line):
    assert old in DOMAIN
    assert refused(tmp_path, DOMAIN.replace(old, new, 1)) == [line]


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        pytest.param(
            "[GPU-2]",
            "[GPU-1]",
            [("fleet.yaml:8: spec.endpoints[1].gpus[0]: GPU GPU-1 belongs to agents/coder/a already; "
             "a GPU runs one replica (InferencePool agents/coder)")],
            id="a GPU of two replicas",
        ),
        pytest.param(
            "[GPU-2]",
            "[GPU-2, GPU-2]",
            ["fleet.yaml:8: spec.endpoints[1].gpus[1]: GPU GPU-2 is named twice (InferencePool agents/coder)"],
            id="a GPU twice",
        ),
        pytest.param(
            ":8002",
            ":8001",
            [("fleet.yaml:8: spec.endpoints[1].url: http://127.0.0.1:8001 is the url of agents/coder/a already "
             "(InferencePool agents/coder)")],
            id="two replicas at one address",
        ),
        pytest.param(
            "name: b",
            "name: a",
            ["fleet.yaml:4: spec: names of endpoints must differ (InferencePool agents/coder)"],
            id="two replicas of one name",
        ),
        pytest.param(
            "model: m",
            "model: m\n  power: {wattsPerGpu: {min: 600, max: 300}, clockMhz: {min: 1.98}}",
            [("fleet.yaml:6: spec.power.clockMhz.min: found 1.98, expected MHz as a whole number, e.g. 1410 "
             "(InferencePool agents/coder)"),
             "fleet.yaml:6: spec.power.wattsPerGpu: min 600 W is above max 300 W (InferencePool agents/coder)"],
            id="bounds the wrong way round, beside a wrong unit: both are said",
        ),
    ],
)  # fmt: skip
def test_a_problem_in_a_pool_is_said_too(tmp_path, old, new, lines):
    assert old in POOL
    assert refused(tmp_path, POOL.replace(old, new, 1)) == lines


def test_all_problems_of_all_files_come_at_once_in_their_order(tmp_path):
    (tmp_path / "b.yaml").write_text(POOL.replace("model", "modell") + "  clas: Standard\n")
    (tmp_path / "a.yaml").write_text(f"{DOMAIN}---\n{DOMAIN}---\n- a list\n---\nkind: Job\n")

    with pytest.raises(ManifestError) as caught:
        load([tmp_path])

    places = [line.split(": ")[0].rpartition("/")[2] for line in str(caught.value).splitlines()]
    assert places == ["a.yaml:13", "a.yaml:21", "a.yaml:23", "a.yaml:23", "b.yaml:4", "b.yaml:5", "b.yaml:9"]


def test_a_domain_that_is_broken_is_not_also_called_missing(tmp_path):
    child = DOMAIN.replace("row-a", "child").replace("nodes: [gpu-1]", "parent: row-a")
    broken = DOMAIN.replace("    watts: 24000\n", "")

    assert len(refused(tmp_path, f"{broken}---\n{child}")) == 1


def test_a_node_hangs_on_one_domain(tmp_path):
    other = DOMAIN.replace("row-a", "row-b")

    assert refused(tmp_path, f"{DOMAIN}---\n{other}") == [
        (
            "fleet.yaml:15: spec.nodes[0]: node gpu-1 stands in PowerDomain row-a already; "
            "name it once, in its lowest domain (PowerDomain row-b)"
        )
    ]


def test_a_ring_of_domains_is_said_once_per_member(tmp_path):
    def link(name, parent):
        return DOMAIN.replace("row-a", name).replace("nodes: [gpu-1]", f"parent: {parent}")

    lines = refused(tmp_path, "---\n".join([link("a", "b"), link("b", "c"), link("c", "a")]))

    assert ["a → b → c → a" in lines[0], "b → c → a → b" in lines[1], len(lines)] == [True, True, 3]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        pytest.param(lambda path: None, "there is no such file or folder", id="not there"),
        pytest.param(
            lambda path: path.mkdir(), "no *.yaml in this folder; put your manifests here", id="empty"
        ),
        pytest.param(lambda path: path.write_bytes(b"\xff\xfe\x00"), "not UTF-8", id="not text"),
        pytest.param(lambda path: path.write_text("a: &a [*a]"), "nested more than 50 deep", id="a ring"),
        pytest.param(lambda path: path.write_text("[" * 3000), "nested more than 50 deep", id="a bomb"),
        pytest.param(lambda path: path.write_text("a: !!python/object:os.system {}"), "not YAML", id="code"),
        pytest.param(lambda path: path.write_text("\x00"), "not YAML", id="a control character"),
    ],
)
def test_a_place_that_holds_no_manifests_is_a_problem_like_any_other(tmp_path, make, says):
    make(tmp_path / "x")
    with pytest.raises(ManifestError, match=r"x:1: ") as caught:
        load([tmp_path / "x"])
    assert says in str(caught.value)


WORKFLOW = """\
apiVersion: wattline.dev/v1alpha1
kind: AgentWorkflow
metadata: {name: night, namespace: agents}
spec:
  trigger: External
  class: BestEffort
  weight: 2
  budget: {maxJoules: 400000, onExceeded: Slow}
"""


def test_workflows_of_agents_that_run_elsewhere_are_read(tmp_path):
    (tmp_path / "a.yaml").write_text(WORKFLOW)

    (workflow,) = load([tmp_path]).workflows

    assert workflow.spec.power_class.value == "BestEffort"
    assert workflow.spec.budget.max_joules == 400_000


def test_a_workflow_that_runs_steps_needs_a_cluster_and_its_templates_are_judged_all_the_same(tmp_path):
    lines = refused(
        tmp_path,
        """\
apiVersion: wattline.dev/v1alpha1
kind: AgentWorkflow
metadata: {name: fix-issue}
spec:
  trigger: OnApply
  parameters: [{name: issue, value: "1"}]
  steps:
  - name: plan
    llm:
      model: m
      prompt: "{{ parameters.isue }}"
  - name: test
    tool:
      job:
        image: i
        command: [sh, -c, "echo {{ steps.plan.answer }}"]
        env:
        - {name: PLAN, value: "{{ steps.plan.answer }}"}
""",
    )

    assert [line.partition(": ")[0] for line in lines] == ["fleet.yaml:5", "fleet.yaml:11", "fleet.yaml:16"]
    assert "steps run as Jobs, in a Kubernetes cluster only" in lines[0]
    assert "there is no parameter isue" in lines[1]
    assert "a command is taken as it is" in lines[2]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("trigger: External", "trigger: Extern", "did you mean External?"),
        ("weight: 2", "weigth: 2", "did you mean weight?"),
        ("maxJoules: 400000", "maxJoules: 0", "expected more than 0"),
        ("trigger: External", "trigger: OnApply", "OnApply runs steps and needs at least one"),
    ],
)
def test_a_workflow_with_a_mistake_is_refused_with_what_was_meant(tmp_path, old, new, what):
    assert what in "\n".join(refused(tmp_path, WORKFLOW.replace(old, new)))
