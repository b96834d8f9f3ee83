"""``wattline profile``: from measurements to a ModelProfile, and what one says."""

from pathlib import Path

import click
import yaml
from rich.console import Console
from rich.table import Table

from wattline.api.modelprofile import ModelProfile, Quantity
from wattline.cli.options import files_option
from wattline.doors import manifests
from wattline.model.errors import ManifestError
from wattline.profiles import architecture as architectures
from wattline.profiles import make as making
from wattline.profiles.checks import NOISE, contradictions
from wattline.profiles.points import Point, ProfileError
from wattline.profiles.readers import FORMATS, Given, load
from wattline.profiles.show import rows
from wattline.world.physics import Architecture
from wattline.world.products import PRODUCTS

measurements = click.argument(
    "measurements", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False)
)
form_option = click.option(
    "--format", "form", type=click.Choice(sorted(FORMATS)), help="By default it is found by the header."
)
model_option = click.option("--model", help="Where the files do not say it, or hold several.")
product_option = click.option("--product", type=click.Choice(sorted(PRODUCTS)))
gpus_option = click.option("--gpus", type=click.IntRange(min=1), help="GPUs of the replica.")
noise_option = click.option(
    "--noise", type=click.FloatRange(min=0, max=1), default=NOISE, show_default=True,
    help="Share by which neighbouring points may contradict each other.",
)  # fmt: skip


@click.group()
def profile() -> None:
    """Measured points in, a ModelProfile out; with what it predicts of points that it never saw."""


@profile.command()
@measurements
@form_option
@model_option
@product_option
@gpus_option
@click.option("--clock-mhz", type=click.IntRange(min=1), help="Locked clock, where the files do not say it.")
@click.option("--cap-watts", type=click.FloatRange(min=0, min_open=True), help="Power limit, likewise.")
@click.option("--prompt-tokens", type=click.FloatRange(min=0, min_open=True), help="Mean prompt, likewise.")
@click.option("--architecture", type=click.Path(path_type=Path, dir_okay=False),
              help="The model's published config.json, or its figures in YAML; not needed for models that are known.")  # fmt: skip
@click.option("--capacity-tokens", type=click.IntRange(min=1), help="KV memory as the engine logs it.")
@click.option("--name", help="Of the ModelProfile; made of model, product and GPUs when unset.")
@noise_option
@click.option("-o", "--output", "out", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
              help="Write the manifest there; - is standard output.")  # fmt: skip
def fit(
    measurements: tuple[Path, ...],
    form: str | None,
    model: str | None,
    product: str | None,
    gpus: int | None,
    clock_mhz: int | None,
    cap_watts: float | None,
    prompt_tokens: float | None,
    architecture: Path | None,
    capacity_tokens: int | None,
    name: str | None,
    noise: float,
    out: Path | None,
) -> None:
    """Fit an engine to MEASUREMENTS, judge it on batch sizes left out, and write the ModelProfile.

    MEASUREMENTS are files of `vllm bench serve`, aiperf, ML.ENERGY, our own metrics, or a plain CSV. Points that do not
    identify an engine are refused, with what to measure.
    """
    given = Given(model, product, gpus, clock_mhz, cap_watts, prompt_tokens)
    told = Console(stderr=True)
    try:
        reading = load(measurements, given, form=form)
        for reason, count in sorted(reading.left_out.items()):
            told.print(f"{count} left out: {reason}", markup=False, highlight=False, soft_wrap=True)
        subject = making.subject_of(reading.points)
        published = _architecture(architecture, subject.model)
        made = making.make(
            reading.points,
            published,
            name=name or _name(subject.model, subject.product, subject.gpus),
            capacity=capacity_tokens,
            noise=noise,
        )
    except ProfileError as error:
        raise click.ClickException(str(error)) from error
    for warning in made.warnings:
        told.print(f"note: {warning}", markup=False, highlight=False, soft_wrap=True)
    _show(made.profile, told)
    text = _manifest(made.profile)
    if out is None or str(out) == "-":
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"cannot write {out}: {error.strerror}") from error
    told.print(
        f"written: {out}; `wattline simulate -f FOLDER` plays it where the folder holds it and a pool of its model",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip


@profile.command()
@measurements
@form_option
@model_option
@product_option
@gpus_option
@noise_option
def check(
    measurements: tuple[Path, ...],
    form: str | None,
    model: str | None,
    product: str | None,
    gpus: int | None,
    noise: float,
) -> None:
    """Read MEASUREMENTS and say what is wrong or contradictory in them, without a fit."""
    try:
        reading = load(measurements, Given(model, product, gpus), form=form)
    except ProfileError as error:
        raise click.ClickException(str(error)) from error
    against = contradictions(reading.points, noise)
    if against:
        raise click.ClickException("\n".join(against))
    console = Console()
    for reason, count in sorted(reading.left_out.items()):
        console.print(f"{count} left out: {reason}", markup=False, highlight=False, soft_wrap=True)
    by_subject: dict[str, list[Point]] = {}
    for point in reading.points:
        by_subject.setdefault(str(point.subject), []).append(point)
    for subject, points in sorted(by_subject.items()):
        batches = len({point.fold for point in points})
        console.print(
            f"{subject}: {len(points)} points of {batches} batch sizes",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


@profile.command()
@files_option(of=" with ModelProfiles", required=True)
def show(files: tuple[Path, ...]) -> None:
    """Show what the ModelProfiles of a folder say: how sure they are, and what they predict."""
    try:
        fleet = manifests.load(files)
    except ManifestError as error:
        raise click.ClickException(f"the manifests have problems:\n{error}") from error
    if not fleet.profiles:
        raise click.ClickException("there is no ModelProfile in these files")
    for one in fleet.profiles:
        _show(one, Console())


def _architecture(path: Path | None, model: str) -> Architecture:
    if path is not None:
        return architectures.load(path, model)
    known = architectures.known(model)
    if known is None:
        raise ProfileError(
            f"the architecture of {model} is not known; give its config.json with --architecture"
        )
    return known


def _show(shown: ModelProfile, console: Console) -> None:
    spec = shown.spec
    console.print(
        f"{shown.metadata.name}: {spec.model} on {spec.gpus} {spec.product}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    if spec.engine is not None:
        spread = {each.name: each.ratio for each in spec.engine.spreads}
        for name, value in spec.engine.parameters.model_dump(by_alias=True).items():
            ratio = spread.get(name)
            sure = "" if ratio is None else f" ± {ratio:.1%}"
            console.print(f"  {name} {value:.4g}{sure}", markup=False, highlight=False, soft_wrap=True)
    for error in spec.errors:
        console.print(
            f"  left out: {error.quantity} off by {error.median_ratio:.1%} in the median, {error.worst_ratio:.1%} at "
            f"most, {error.points} points", markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    console.print("measured (predicted), watts of one GPU:", markup=False, highlight=False, soft_wrap=True)
    table = Table("batch", "clock", *(quantity.value for quantity in Quantity), box=None)
    for row in rows(shown):
        table.add_row(*row)
    console.print(table)


def _manifest(made: ModelProfile) -> str:
    data = made.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"status"})
    data["metadata"] = {"name": made.metadata.name}
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110)


def _name(model: str, product: str, gpus: int) -> str:
    plain = "".join(char if char.isalnum() else "-" for char in model.lower().rpartition("/")[2])
    return f"{plain.strip('-')}-{product}-{gpus}"
