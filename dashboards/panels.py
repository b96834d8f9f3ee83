"""Panels as all dashboards want them: a title, a sentence that says what is seen, a unit, queries."""

from dataclasses import dataclass

from grafana_foundation_sdk.builders import (
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    DataSourceRef,
    GraphGradientMode,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.queries import greatest

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
"""The Prometheus a user chose at the top of the dashboard."""

RED, ORANGE, YELLOW, GREEN, BLUE, GREY = "red", "orange", "yellow", "green", "blue", "#808080"
HEIGHT = 8

Steps = tuple[tuple[float | None, str], ...]
"""From which value on a colour holds; the first from None."""

PLAIN: Steps = ((None, BLUE),)
"""Of a number that is neither good nor bad."""
PRESENT: Steps = ((None, RED), (1, GREEN))
"""Of what is to be there: none is bad, one is enough."""

Panel = timeseries.Panel | stat.Panel | table.Panel | statetimeline.Panel
Panels = tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression and how its series are called."""

    expr: str
    legend: str = ""
    colour: str | None = None
    dashed: bool = False
    """A line that others are measured against."""


def graph(
    title: str,
    says: str,
    unit: str,
    *queries: Query,
    width: int = 12,
    stacked: bool = False,
    low: float | None = 0,
    high: float | None = None,
    steps: Steps = (),
) -> timeseries.Panel:
    """Return lines over time; ``steps`` colour the area behind them."""
    made = (
        timeseries.Panel()
        .title(title)
        .description(says)
        .datasource(SOURCE)
        .unit(unit)
        .span(width)
        .height(HEIGHT)
        .line_width(1.5)
        .fill_opacity(25 if stacked else 6)
        .gradient_mode(GraphGradientMode.NONE)
        .show_points(VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .show_legend(show_legend=True)
            .display_mode(LegendDisplayMode.TABLE)
            .placement(LegendPlacement.BOTTOM)
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    )
    if low is not None:
        made = made.min(low)
    if high is not None:
        made = made.max(high)
    if stacked:
        made = made.stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
    if steps:
        made = made.thresholds(_thresholds(steps)).thresholds_style(_area())
    for letter, query in zip("ABCDEFGH", queries, strict=False):
        made = made.with_target(_target(query, letter))
        if properties := _look(query):
            made = made.override_by_query(letter, properties)
    return made


def number(
    title: str, says: str, unit: str, query: Query, *, width: int = 4, steps: Steps = PLAIN
) -> stat.Panel:
    """Return one number, with its course behind it, coloured by ``steps``."""
    return (
        stat.Panel()
        .title(title)
        .description(says)
        .datasource(SOURCE)
        .unit(unit)
        .span(width)
        .height(4)
        .thresholds(_thresholds(steps))
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.AREA)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(_target(query, "A"))
    )


def states(
    title: str, says: str, query: Query, words: Steps, names: dict[str, str], *, width: int = 12
) -> statetimeline.Panel:
    """Return a bar over time for each series; ``names`` say what its values mean."""
    return (
        statetimeline.Panel()
        .title(title)
        .description(says)
        .datasource(SOURCE)
        .span(width)
        .height(HEIGHT)
        .merge_values(merge_values=True)
        .show_value(VisibilityMode.NEVER)
        .thresholds(_thresholds(words))
        .mappings([_names(names)])
        .legend(common.VizLegendOptions().show_legend(show_legend=True).placement(LegendPlacement.BOTTOM))
        .with_target(_target(query, "A"))
    )


def rows(
    title: str,
    says: str,
    *columns: tuple[str, str, str],
    by: tuple[str, ...],
    links: dict[str, tuple[str, str]] | None = None,
    steps: dict[str, Steps] | None = None,
    width: int = 24,
) -> table.Panel:
    """Return a table with one row for each value of the labels ``by``; a column is a name, a unit and an expression.

    ``links`` names for a label the title and address its cells lead to.
    """
    made = table.Panel().title(title).description(says).datasource(SOURCE).span(width).height(HEIGHT)
    titles = {}
    for letter, (name, unit, expr) in zip("ABCDEFGH", columns, strict=False):
        target = _target(Query(expr), letter).instant().format(PromQueryFormat.TABLE)
        made = made.with_target(target)
        field = f"Value #{letter}" if len(columns) > 1 else "Value"
        titles[field] = name
        made = made.override_by_name(
            name, [DynamicConfigValue("unit", unit), *_cells((steps or {}).get(name))]
        )
    for label, (text, url) in (links or {}).items():
        made = made.override_by_name(label, [DynamicConfigValue("links", [{"title": text, "url": url}])])
    order = {name: place for place, name in enumerate((*by, *titles))}
    return made.transformations(
        [
            DataTransformerConfig(id_val="merge", options={}),
            DataTransformerConfig(
                id_val="organize",
                options={"excludeByName": {"Time": True}, "indexByName": order, "renameByName": titles},
            ),
        ]
    )


def members(title: str, says: str, series: str, *, by: tuple[str, ...]) -> table.Panel:
    """Return a table of the values that the labels ``by`` have together, where the labels are what is to be read."""
    return rows(title, says, ("", "short", greatest(", ".join(by), series)), by=by, width=12)


def _target(query: Query, letter: str) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery().datasource(SOURCE).expr(query.expr).legend_format(query.legend).ref_id(letter)
    )


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    made = [Threshold(value=value, color=colour) for value, colour in steps]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(made)


def _area() -> common.GraphThresholdsStyleConfig:
    return common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)


def _look(query: Query) -> list[DynamicConfigValue]:
    look = []
    if query.colour is not None:
        look.append(DynamicConfigValue("color", {"mode": "fixed", "fixedColor": query.colour}))
    if query.dashed:
        look.append(DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}))
        look.append(DynamicConfigValue("custom.fillOpacity", 0))
        look.append(DynamicConfigValue("custom.stacking", {"mode": "none"}))
    return look


def _cells(steps: Steps | None) -> list[DynamicConfigValue]:
    if steps is None:
        return []
    made = [{"value": value, "color": colour} for value, colour in steps]
    return [
        DynamicConfigValue("thresholds", {"mode": "absolute", "steps": made}),
        DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
    ]


def _names(names: dict[str, str]) -> ValueMapping:
    return ValueMap(options={value: ValueMappingResult(text=text) for value, text in names.items()})
