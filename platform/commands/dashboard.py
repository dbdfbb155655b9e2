"""`dashboard`: the page of what is published, made first where it is missing or behind, then opened in a browser where there is one."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path

from ingestion_platform.commands.errors import CommandError
from ingestion_platform.dashboard.renewal import page_of, renew
from ingestion_platform.resources import environments
from ingestion_platform.settings import Settings


def show_dashboard(settings: Settings) -> None:
    """Print where the page is, and open it. Raises CommandError where there is nothing to make it of."""
    # Imported on use: the code location's modules take seconds, and a setting that cannot be used is said before.
    from ingestion_platform.assets.manifest import Models
    from ingestion_platform.resources.dbt_project import read_manifest

    if not settings.may_have_warehouse:
        raise CommandError(
            "nothing is published yet: make demo fills a platform, make replay publishes what its archive holds"
        )
    models = Models.of(read_manifest(adapter=environments.ADAPTERS[settings.environment]))
    renew(environments.warehouse(settings), settings, models.names_of(models.partitioned))
    path = page_of(settings)
    print(path)
    if sys.stdout.isatty():
        open_page(path)


def open_page(path: Path) -> bool:
    """Open a page in the user's browser; whether there is one that can show it."""
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        return False
    # One of text takes the terminal, and shows no charts.
    return type(found) is not webbrowser.GenericBrowser and found.open(path.as_uri())
