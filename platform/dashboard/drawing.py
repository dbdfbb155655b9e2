"""How Altair draws the dashboard's charts: a function for each form that a chart may have.

The page's script (dashboard.js) hands a chart its rows as the data set `rows`, all of one form: `at` (milliseconds, UTC) and `period` of
what has a time, `label` of what has a name, `series` (the measure), `value` for the eye, `text` with all its digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ingestion_platform.dashboard.charts import Chart

COLORS = ("#2f81d8", "#c4650a", "#2c974b", "#9a6ee8", "#d9445c", "#1b8f9b", "#a67c1e", "#7a8490")
"""Each at least 3:1 on white and on the dark paper."""

CONFIG: Mapping[str, Any] = {
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "range": {"category": list(COLORS)},
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 150, "domain": False},
    "legend": {"orient": "top", "columns": 2, "labelFontSize": 12, "labelLimit": 220, "title": None},
}
"""Vega-Lite's, for all charts; colours of text and lines are the page's (dashboard.css), which has a light and a dark form."""


ROW_HEIGHT = 24
"""Pixels of each line of a chart that is as high as it has lines."""

_DAY_OR_HOUR = "utcFormat(datum.value, utchours(datum.value) ? '%H:%M' : '%d %b')"

AS_HIGH_AS_ITS_ROWS = {"bars", "steps", "map"}


def specification(chart: Chart) -> dict[str, Any]:
    """The chart as Vega-Lite has it, without its rows."""
    # Imported on use: only who writes the page needs it.
    import altair as alt

    drawn = _FORMS[chart.form](alt, chart)
    drawn = drawn.properties(
        width="container",
        # The width is the page's, the height that of the bars.
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
        description=f"{chart.title}. {chart.says}",
    )
    made: dict[str, Any] = drawn.to_dict()
    made.pop("$schema")
    made.pop("config", None)
    return made


def _tooltip(alt: Any, *fields: str) -> list[Any]:
    return [alt.Tooltip(f"{name}:N", title=title) for name, title in (_TITLES[field] for field in fields)]


_TITLES = {
    "period": ("period", "period"),
    "label": ("label", "what"),
    "series": ("series", "measure"),
    "text": ("text", "value"),
}


def _lines(alt: Any, chart: Chart) -> Any:
    """By period, a line a measure; dashes beside colours, for who cannot tell these."""
    legend = alt.Legend(symbolType="stroke", symbolStrokeWidth=2.5, symbolSize=260)
    return (
        alt.Chart(alt.NamedData("rows"))
        .mark_line(point={"size": 28}, strokeWidth=2)
        .encode(
            x=alt.X(
                "at:T",
                title=None,
                scale=alt.Scale(type="utc"),
                axis=alt.Axis(
                    labelOverlap=True, labelSeparation=8, labelFlush=False, grid=False, labelExpr=_DAY_OR_HOUR
                ),
            ),
            y=alt.Y("value:Q", title=None),
            color=alt.Color("series:N", sort=None, legend=legend),
            strokeDash=alt.StrokeDash("series:N", sort=None, legend=legend),
            tooltip=_tooltip(alt, "period", "series", "text"),
        )
        .properties(height=220)
    )


def _bars(alt: Any, chart: Chart) -> Any:
    """By name, in the order of the rows: the script puts the longest first."""
    return _with_numbers(alt, chart, alt.Y("label:N", title=None, sort=None))


def _steps(alt: Any, chart: Chart) -> Any:
    """By measure, in their order."""
    return _with_numbers(alt, chart, alt.Y("series:N", title=None, sort=None, axis=alt.Axis(labelLimit=220)))


def _with_numbers(alt: Any, chart: Chart, y: Any) -> Any:
    base = alt.Chart(alt.NamedData("rows")).encode(y=y)
    value = alt.X("value:Q", title=None, axis=alt.Axis(tickCount=4, labelOverlap=True))
    tooltip = _tooltip(alt, "label" if chart.keys else "series", "text")
    bars = base.mark_bar(color=COLORS[0], cornerRadiusEnd=2).encode(x=value, tooltip=tooltip)
    numbers = base.mark_text(align="left", dx=4).encode(x=value, text="text:N")
    # The axis goes on where the numbers stand.
    room = base.transform_calculate(room=f"datum.value * {1.6 if chart.form == 'steps' else 1.35}").mark_point(
        opacity=0, aria=False
    )
    return bars + numbers + room.encode(x=alt.X("room:Q", title=None))


def _columns(alt: Any, chart: Chart) -> Any:
    """By date, what there is of each name on top of each other."""
    return (
        alt.Chart(alt.NamedData("rows"))
        .mark_bar()
        .encode(
            x=alt.X(
                "utcyearmonthdate(at):T",
                title=None,
                axis=alt.Axis(format="%d %b", labelOverlap=True, labelSeparation=8, labelFlush=False, grid=False),
            ),
            y=alt.Y("value:Q", title=None),
            color=alt.Color("label:N"),
            tooltip=_tooltip(alt, "period", "label", "text"),
        )
        .properties(height=220)
    )


def _map(alt: Any, chart: Chart) -> Any:
    """Dates by publications."""
    return (
        alt.Chart(alt.NamedData("rows"))
        .mark_rect(stroke="#7a8490")
        .encode(
            x=alt.X(
                "period:O",
                title=None,
                axis=alt.Axis(labelOverlap=True, labelAngle=0, labelExpr="slice(datum.label, 5)"),
            ),
            y=alt.Y("label:O", title="publication", sort=None),
            color=alt.Color("value:Q", title="models", scale=alt.Scale(scheme="blues", domainMin=0)),
            tooltip=_tooltip(alt, "label", "period", "text"),
        )
    )


def _strip(alt: Any, chart: Chart) -> Any:
    """By date, of which each has one name."""
    return _columns(alt, chart).encode(y=alt.Y("value:Q", title=None, axis=None)).properties(height=40)


_FORMS = {"lines": _lines, "bars": _bars, "steps": _steps, "columns": _columns, "strip": _strip, "map": _map}
