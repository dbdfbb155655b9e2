"""An audit as a page to look at: DATA_DIR/reports/<audit>.html, written when a run holds dates or is refused for a defect.

One file that needs nothing else: no script, no network, no other file. It may be opened, sent and kept; nothing reads it again. It has
examples of rows, and so whatever the rows have.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from collector.durable import make_folder, staged
from ingestion_platform.assets.audit_cells import Outcome
from ingestion_platform.assets.audit_figures import CHART_HEIGHT
from ingestion_platform.assets.audit_page import page_of
from ingestion_platform.assets.comparison import Comparison
from ingestion_platform.assets.kept_code import code_changes, remember_code
from ingestion_platform.assets.manifest import Models
from ingestion_platform.changes import Reason
from ingestion_platform.dates import Window

_TEMPLATES = Path(__file__).parent / "html"


def keep_report(
    folder: Path,
    comparison: Comparison | None,
    models: Models,
    *,
    run_id: str,
    window: Window,
    log: Callable[[str], None],
) -> Path | None:
    """Keep what a run's code was and, where something waits, write its page, and return where that is; nothing where the run did not come
    as far as comparing.

    What was published stays so when there is no room for a page: the log says that there is none.
    """
    if comparison is None:
        return None
    path = None
    try:
        if comparison.audit_id:
            path = write_report(folder, comparison, models, run_id=run_id, window=window, at=datetime.now(UTC))
            log(f"What would change, to look at: {path}")
        remember_code(folder, models, {change.cell.model for change in comparison.changes})
    except OSError as error:
        log(f"No page of the audit was written: {error}")
    return path


def write_report(
    folder: Path, comparison: Comparison, models: Models, *, run_id: str, window: Window, at: datetime
) -> Path:
    """Write the page of a comparison that has an audit's id, for the dates that the run built; returns where it is."""
    html = report_html(folder, comparison, models, run_id=run_id, window=window, at=at)
    make_folder(folder)
    path = folder / f"{comparison.audit_id}.html"
    with staged(path) as file:
        file.write(html.encode())
        file.appear()
    return path


def report_html(
    folder: Path, comparison: Comparison, models: Models, *, run_id: str, window: Window, at: datetime
) -> str:
    """The page. `folder` is where code is kept."""
    # Imported on use: only a run that holds something needs it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    published: dict[str, set[str]] = {}
    for change in comparison.changes:
        if change.reason is Reason.CODE and change.before is not None and change.is_difference:
            published.setdefault(change.cell.model, set()).add(change.before.code)
    page = page_of(comparison, models.relations, code_changes(folder, models, published), window)
    templates = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template("audit_report.html").render(
        page=page, outcomes=Outcome, chart_height=CHART_HEIGHT, run_id=run_id, window=window, at=at.astimezone(UTC)
    )
