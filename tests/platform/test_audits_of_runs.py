"""Runs of an edited model, in real builds: what they change is held, and shown on a page that knows the old code."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from ingestion_platform import definitions as location
from ingestion_platform.dates import ONE_DAY, Window
from ingestion_platform.resources import environments
from ingestion_platform.resources.dbt_project import MODELS_DIR, DbtProject, read_manifest


class Editor:
    """A platform whose models can be edited: the code location is loaded anew after each edit."""

    def __init__(self, place: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place = place
        self.models = folder / "dbt_models"
        self._artifacts = folder / "artifacts"
        self._monkeypatch = monkeypatch
        shutil.copytree(MODELS_DIR, self.models, ignore=shutil.ignore_patterns("target", "logs"))

    def edit(self, path: str, before: str, after: str) -> None:
        """Replace a piece of a model's or a macro's text."""
        file = self.models / path
        text = file.read_text()
        assert text.count(before) == 1
        file.write_text(text.replace(before, after))
        project = DbtProject(environments.dbt_project(self.place.settings).environment, self._artifacts, self.models)
        manifest = project.prepare()
        self._monkeypatch.setattr(location, "read_manifest", lambda adapter: read_manifest(manifest, adapter))
        self._monkeypatch.setattr(environments, "dbt_project", lambda _: project)
        self.place.located = location.definitions(self.place.settings)

    def reports(self) -> dict[str, str]:
        """The pages by audit."""
        return {path.stem: path.read_text() for path in self.place.settings.reports_folder.glob("*.html")}


@pytest.fixture
def editor(place: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Editor:
    return Editor(place, tmp_path, monkeypatch)


def test_a_replay_and_a_refresh_show_what_an_edit_would_change(editor: Editor) -> None:
    """Whoever edits a channel's rule sees, before any reader does, which sessions get another one, and by which line of SQL."""
    place = editor.place
    day, other = place.past(3), place.past(2)
    for date in (day, other):
        place.simulate(date)
    window = Window(day, other + ONE_DAY)
    assert place.launch("replay", window).success
    before = place.everything()
    ((direct,),) = place.rows("select count(*) from events.sessions where channel = 'direct' and event_date = ?", [day])
    assert direct and editor.reports() == {}

    editor.edit("macros/attribution.sql", "then 'direct'", "then 'typed in'")
    assert place.launch("replay", window).success
    ((audit, page),) = editor.reports().items()
    assert f"make publish AUDIT={audit}" in page
    assert f'title="events.sessions on {day}: held (other code); 0 rows added, 0 removed, {direct:,} altered' in page
    assert "then &#39;typed in&#39;</span>" in page and "is not known" not in page
    assert place.everything() == before

    editor.edit("macros/attribution.sql", "else 'referral'", "else 'elsewhere'")
    config = {"ops": {"refresh": {"config": {"rebuild_changed_models": True}}}}
    assert place.launch("hourly_refresh", run_config=config).success
    (newer,) = editor.reports().keys() - {audit}
    page = editor.reports()[newer]
    # Against what is published, which was never what the first edit made.
    assert "then &#39;typed in&#39;</span>" in page and "else &#39;elsewhere&#39;</span>" in page
    # The refresh has built other dates, too.
    assert place.everything()["events.sessions"] == before["events.sessions"]

    # A person's word, and each time the dashboard says at once how it stands.
    dashboard = place.settings.published_dir / "dashboard.html"
    held = dashboard.read_text()
    assert f'href="../reports/{newer}.html"' in held and f"make publish AUDIT={newer}" in held
    assert "held for a person" in held
    some = {"audit": newer, "first": f"{other}", "last": f"{other}"}
    assert place.launch("discard_audit", run_config={"ops": {"discard": {"config": some}}}).success
    discarded = dashboard.read_text()
    assert f"<b>discarded</b> {other}" in discarded and f"make publish AUDIT={newer}" in discarded
    assert place.launch("publish_audit").success
    published = dashboard.read_text()
    assert f"audit published {newer}" in published and f"make publish AUDIT={newer}" not in published
    assert '"typed in"' in published and '"direct"' in published
    assert place.launch("roll_back").success
    back = dashboard.read_text()
    assert "roll back" in back and '"typed in"' not in back
    assert place.everything()["events.sessions"] == before["events.sessions"]
