"""What all dashboards share: the data source, the variables, the links between them, and alerts as marks."""

from collections.abc import Mapping

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableRefresh,
    VariableSort,
)

from dashboards.panels import RED, SOURCE, Panels

TAG = "wattline"
PAGES = {
    "wattline-fleet": "Wattline / Fleet",
    "wattline-pool": "Wattline / Pool",
    "wattline-node": "Wattline / Node and GPU",
    "wattline-workflow": "Wattline / Workflow",
}
"""Every dashboard's identifier, by which others link to it, and its title."""

IN_NAMESPACE = '=~"(${namespace}/)?[^/]+"'
"""Matcher of a pool's or workflow's full name, NAMESPACE/NAME, by the variable ``namespace``; on a box names have none."""


def page(uid: str, says: str, *variables: dashboard.QueryVariable) -> dashboard.Dashboard:
    """Return a dashboard without panels yet."""
    made = (
        dashboard.Dashboard(PAGES[uid])
        .uid(uid)
        .description(says)
        .tags([TAG])
        .readonly()
        .refresh("30s")
        .time("now-3h", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .annotation(_alerts())
    )
    for variable in variables:
        made = made.with_variable(variable)
    for other, title in PAGES.items():
        if other != uid:
            made = made.link(_link(other, title.removeprefix("Wattline / ")))
    return made


def filled(made: dashboard.Dashboard, numbers: Panels, sections: Mapping[str, Panels]) -> dashboard.Dashboard:
    """Put numbers at the top of a dashboard and under them rows of panels, each with its title."""
    for panel in numbers:
        made = made.with_panel(panel)
    for title, panels in sections.items():
        made = made.with_row(dashboard.Row(title))
        for panel in panels:
            made = made.with_panel(panel)
    return made


def choice(
    name: str, label: str, query: str, *, regex: str = "", all_value: str | None = None
) -> dashboard.QueryVariable:
    """Return a variable whose values are looked up; several may be chosen, and all are at first."""
    made = (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .definition(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.NATURAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
    )
    if regex:
        made = made.regex(regex)
    return made if all_value is None else made.all_value(all_value)


def namespaces(metric: str, label: str) -> dashboard.QueryVariable:
    """Return the choice of namespaces, cut off the full names that a label holds."""
    return choice(
        "namespace", "Namespace", f"label_values({metric}, {label})", regex="/^([^/]+)\\//", all_value=".+"
    )


def to(uid: str, variable: str) -> str:
    """Return the address that leads from a table's cell to another dashboard, about the cell's value."""
    return f"/d/{uid}?var-{variable}=${{__value.text}}&var-datasource=${{datasource}}&${{__url_time_range}}"


def _link(uid: str, title: str) -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink(title)
        .type(DashboardLinkType.LINK)
        .url(f"/d/{uid}")
        .keep_time(keep_time=True)
        .include_vars(include_vars=True)
    )


def _alerts() -> dashboard.AnnotationQuery:
    return (
        dashboard.AnnotationQuery()
        .name("Alerts")
        .datasource(SOURCE)
        .enable(enable=True)
        .hide(hide=False)
        .icon_color(RED)
        .expr('ALERTS{alertname=~"Wattline.+", alertstate="firing"}')
        .title_format("{{alertname}}")
        .text_format("{{domain}} {{node}} {{gpu_uuid}} {{pool}} {{workflow}}")
    )
