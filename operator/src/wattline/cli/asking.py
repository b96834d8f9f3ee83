"""The options in which `wattline simulate` and `wattline sweep` are asked, and the question they make."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import yaml

from wattline.cli.options import Finite, files_option
from wattline.cli.trace_options import TRACES, sources
from wattline.doors import manifests
from wattline.model.errors import ManifestError
from wattline.model.fleet import Fleet
from wattline.policy.route import Mode
from wattline.sim.changes import Change
from wattline.sim.recording import TraceError
from wattline.sim.scenario import ScenarioError
from wattline.study.edits import EditError, budget_changes, replica_changes, with_budgets, with_replicas
from wattline.study.question import SENSORS, Question
from wattline.study.results import ResultError
from wattline.study.workers import WorkersError
from wattline.world.curve import SHAPES
from wattline.world.gpu import PRODUCTS

Command = TypeVar("Command", bound=Callable[..., object] | click.Command)

_SWITCH = click.Choice(["off", "on"])

_FLEET = (
    files_option(of="; what one would `kubectl apply`"),
    click.option("--from-cluster", is_flag=True,
                 help="Take domains, pools and their present replicas from the live cluster instead of files; "
                      "nothing there is touched."),
    click.option("--kubeconfig", type=click.Path(dir_okay=False, path_type=Path),
                 help="With --from-cluster: kubeconfig file; $KUBECONFIG or ~/.kube/config when unset."),
    click.option("--context", help="With --from-cluster: context of the kubeconfig; its current one when unset."),
    click.option("--budget", "budgets", multiple=True, metavar="DOMAIN=WATTS|±WATTS|±N%[@TIME]",
                 help="What if a domain's budget were another: row-a=-10%, row-a=+500 or row-a=18000; row-a=-10%@2h "
                      "from then on (s, min, h). Repeatable."),
    click.option("--replicas", "replicas", multiple=True, metavar="POOL=N",
                 help="What if a pool had another number of replicas: coder=6. Repeatable."),
    click.option("--event", "events", multiple=True, metavar="POOL/REPLICA=WHAT@TIME",
                 help="What if something happened to a replica: coder/coder-0=stop@30min; stop, drain, start, sleep, "
                      "deep-sleep or wake. Repeatable."),
    click.option("--gpus-per-node", type=click.IntRange(min=1), default=8, show_default=True,
                 help="GPUs of the nodes that pods stand on, where no manifest lists them."),
)  # fmt: skip

_WORK = (
    *TRACES,
    click.option("--pool", "pools", multiple=True, metavar="POOL[=RATE]",
                 help="The InferencePool that gets the runs, where there are several; repeatable, each with a rate "
                      "of its own if said."),
    click.option("--hours", type=Finite(min=0, min_open=True), default=3.0, show_default=True,
                 help="Arrivals end then; the simulation goes on until all runs have ended."),
    click.option("--shared-prefix", type=_SWITCH, default="on", show_default=True,
                 help="Whether runs of one harness share their opening prompt."),
)  # fmt: skip

_POLICIES = (
    click.option("--clock", default="wattline", show_default=True, metavar="full|MHZ|wattline",
                 help="Clocks: of the driver, one constant clock, or the product's policy."),
    click.option("--cap", type=click.Choice(["none", "uniform", "wattline"]), default="none", show_default=True,
                 help="How the domains' budgets are kept: not, by equal static limits, or by sharing."),
    click.option("--routing", type=click.Choice([mode.value for mode in Mode]), default="wattline", show_default=True,
                 help="Which replica a turn goes to."),
    click.option("--admission", type=_SWITCH, default="on", show_default=True,
                 help="Whether new agents wait while memory is short."),
    click.option("--product", type=click.Choice(sorted(PRODUCTS)), default="h100", show_default=True,
                 help="What the GPUs are."),
    click.option("--sensors", type=click.Choice(sorted(SENSORS)), default="real", show_default=True,
                 help="What policies see: as coarse and late as machines and networks tell it, or the world as it is."),
    click.option("--shape", type=click.Choice(sorted(SHAPES)), default="perseus", show_default=True,
                 help="Clock-power curve of the simulated GPUs."),
)  # fmt: skip


def asks(command: Command) -> Command:
    """Give a command every option of a question but the seed."""
    for option in reversed((*_FLEET, *_WORK, *_POLICIES)):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Source:
    """A fleet as it stands, before any what-if, and where it is from."""

    fleet: Fleet
    origin: str


def source(options: dict[str, Any], *, resized: Iterable[str] = ()) -> Source:
    """Return the fleet that ``-f`` or ``--from-cluster`` names.

    ``resized`` are what-ifs of replicas beside those of the options: a live cluster's pool with another number of
    replicas is taken as it is declared and not as it stands.
    """
    files: tuple[Path, ...] = options["files"]
    if not options["from_cluster"]:
        if not files:
            raise click.UsageError("which fleet? Name manifests with -f FOLDER, or take --from-cluster")
        for name in ("kubeconfig", "context"):
            if options[name] is not None:
                raise click.UsageError(f"--{name} says which cluster; add --from-cluster")
        return Source(manifests.load(files, clustered=True), " ".join(str(file) for file in files))
    if files:
        raise click.UsageError("-f and --from-cluster both name a fleet; take one of them")
    try:
        from wattline.cli.plugin.live import manifests_of  # noqa: PLC0415 - the only part that needs the kube extra
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"--from-cluster needs the Python package {error.name}: pip install 'wattline[kube,sim]'"
        ) from error
    declared = {text.partition("=")[0] for text in (*options["replicas"], *resized)}
    things = manifests_of(options["kubeconfig"], options["context"], declared)
    with tempfile.TemporaryDirectory(prefix="wattline-") as folder:
        (Path(folder) / "cluster.yaml").write_text(yaml.safe_dump_all(things), encoding="utf-8")
        fleet = manifests.load([Path(folder)], clustered=True)
    return Source(fleet, f"cluster {options['context'] or 'of the current context'}")


def question(
    of: Source, options: dict[str, Any], *, seed: int, series_seconds: float | None = None
) -> Question:
    """Return the question that options ask; raise what `told` tells where it cannot be asked."""
    fleet = with_replicas(with_budgets(of.fleet, options["budgets"]), options["replicas"])
    edits = [f"--budget {text}" for text in options["budgets"]]
    edits += [f"--replicas {text}" for text in options["replicas"]]
    edits += [f"--event {text}" for text in options["events"]]
    changes: tuple[Change, ...] = (
        *budget_changes(fleet, options["budgets"]),
        *replica_changes(fleet, options["events"]),
    )
    made = Question(
        fleet=fleet,
        origin=of.origin,
        pools=options["pools"],
        parts=sources(options),
        rate=options["rate"],
        load=options["load"],
        hours=options["hours"],
        shared_prefix=options["shared_prefix"] == "on",
        routing=options["routing"],
        admission=options["admission"] == "on",
        clock=options["clock"],
        cap=options["cap"],
        shape=options["shape"],
        product=options["product"],
        gpus_per_node=options["gpus_per_node"],
        seed=seed,
        what_if=tuple(edits),
        changes=changes,
        sensors=options["sensors"],
        series_seconds=series_seconds,
    )
    made.check()
    return made


@contextmanager
def told() -> Iterator[None]:
    """Say what is wrong with a question, its files or its results in a line instead of a traceback."""
    try:
        yield
    except ManifestError as error:
        raise click.ClickException(f"the manifests have problems:\n{error}") from error
    except (TraceError, ScenarioError, EditError, ResultError, WorkersError) as error:
        raise click.ClickException(str(error)) from error


def writable(*paths: Path | None) -> None:
    """Refuse files that cannot be written, before anything is played for them; they stay as they are."""
    for path in paths:
        if path is None or str(path) == "-":
            continue
        try:
            there = path.exists()
            path.open("a", encoding="utf-8").close()
            if not there:
                path.unlink()
        except OSError as error:
            raise click.ClickException(f"cannot write {path}: {error.strerror or error}") from error


def written(path: Path, text: str) -> None:
    """Write a file, or standard output for ``-``."""
    try:
        if str(path) == "-":
            click.echo(text, nl=False)
        else:
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror or error}") from error
