"""The page of an audit, over comparisons that are made here: what it says, that it escapes strangers' values, which code it shows as changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion_platform.assets import kept_code
from ingestion_platform.assets.audit_report import keep_report, write_report
from ingestion_platform.assets.audit_values import difference, figure, percent, relative, shown, visible
from ingestion_platform.assets.comparison import Comparison, Difference, Example, Figure
from ingestion_platform.assets.kept_code import PARSER, CodeChange, code_changes, remember_code
from ingestion_platform.assets.manifest import Models
from ingestion_platform.changes import Cell, Change, Decision, Fingerprint, Reason, Version
from ingestion_platform.dates import Window
from ingestion_platform.resources.dbt_project import read_manifest

MODELS = Models.of(read_manifest())
FIRST = date(2026, 3, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(4)]
WINDOW = Window(DAYS[0], DAYS[-1] + timedelta(days=1))
AT = datetime(2026, 3, 9, 12, 30, 5, tzinfo=UTC)
HOSTILE = "</td></style><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;{{ 7 * 7 }}{% raw %}"


class Page(HTMLParser):
    """What a browser would make of a page: its elements, and the text of each outside of the style sheet."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._in_style = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if not self._in_style:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def attributes(self, name: str) -> list[str]:
        return [held[name] for _, held in self.elements if name in held]

    @property
    def squares(self) -> dict[str, tuple[str, str]]:
        """Letter-coloured cells of the heat map: class and link by what they say when one points at them."""
        return {
            held["title"]: (held["class"], held["href"])
            for tag, held in self.elements
            if tag == "a" and "title" in held
        }


def version(code: str = "", rows: int = 10, columns: Mapping[str, str] | None = None) -> Version:
    return Version(code, "inputs", 1, Fingerprint(rows, columns or {"channel": "1", "pageviews": "2"}, "made here"))


def changed(
    model: str, day: date, decision: Decision, reason: Reason = Reason.CODE, columns: tuple[str, ...] = ("channel",)
) -> Change:
    before = None if reason is Reason.NEW else version("0123")
    return Change(Cell(model, day), reason, decision, version("4567"), before, columns)


def comparison(*changes: Change, **more: Any) -> Comparison:
    return Comparison(list(changes), **{"audit_id": "audit1", **more})


@pytest.fixture
def page(tmp_path: Path) -> Callable[..., Page]:
    """The page of a comparison."""

    def written(of: Comparison, models: Models = MODELS) -> Page:
        path = write_report(tmp_path / "reports", of, models, run_id="run-1", window=WINDOW, at=AT)
        assert path == tmp_path / "reports" / f"{of.audit_id}.html"
        return Page(path.read_text(encoding="utf-8"))

    return written


def test_the_head_says_what_waits_and_what_to_do(page: Callable[..., Page]) -> None:
    """Who opens it has a minute: what waits, why, what was published all the same, and the two commands to copy."""
    made = page(
        comparison(
            changed("sessions", DAYS[0], Decision.UNCHANGED),
            changed("sessions", DAYS[1], Decision.HOLD),
            changed("logs", DAYS[2], Decision.PUBLISH, Reason.INPUTS),
            changed("logs", DAYS[3], Decision.PUBLISH, Reason.NEW),
        )
    )
    for said in (
        "make publish AUDIT=audit1",
        "make discard AUDIT=audit1",
        "Waits for you 2026-03-02",
        "Published in the same run 2026-03-03 to 2026-03-04",
        "Came out as they were 2026-03-01",
        "Run run-1",
        "2026-03-09 12:30:05 UTC",
        "Held (other code): sessions (channel) on 2026-03-02",
    ):
        assert said in made.text


def test_a_defect_is_told_from_a_proposal(page: Callable[..., Page]) -> None:
    """Nothing of the run was published then, and to publish it would be a mistake until the cause is found."""
    made = page(
        comparison(
            changed("logs", DAYS[0], Decision.DEFECT, Reason.NONE),
            changed("logs", DAYS[1], Decision.PUBLISH, Reason.NEW),
        )
    )
    assert "from the same code and the same objects" in made.text
    assert "Nothing of this run was published" in made.text
    assert "Published in the same run nothing" in made.text
    assert {title.split(";")[0]: held[0] for title, held in made.squares.items()} == {
        "events.logs on 2026-03-01: refused (same code, same objects)": "defect l1",
        "events.logs on 2026-03-02: waits with its date (never published)": "waits l2",
    }


def test_each_cell_has_a_letter_a_strength_and_a_place_to_go(page: Callable[..., Page]) -> None:
    """The map must say the same without colours, and a link that leads nowhere leaves one at the top of a long page."""
    cells = [Cell("sessions", day) for day in DAYS]
    made = page(
        comparison(
            *(changed("sessions", day, Decision.HOLD) for day in DAYS[:3]),
            changed("sessions", DAYS[3], Decision.UNCHANGED),
            *(changed("logs", day, Decision.PUBLISH, Reason.INPUTS) for day in DAYS),
            *(changed("duplicates", day, Decision.UNCHANGED, columns=()) for day in DAYS),
            differences={
                cells[0]: Difference(1000, 1000, added=0, removed=0, altered=5),
                cells[1]: Difference(1000, 900, added=0, removed=100, altered=200),
                cells[2]: Difference(1000, 1000, added=500, removed=500, altered=0),
            },
        )
    )
    sessions = {title: held for title, held in made.squares.items() if title.startswith("events.sessions")}
    assert [held[0] for held in sessions.values()] == ["held l1", "held l3", "held l4", "same"]
    assert (
        "events.sessions on 2026-03-02: held (other code); 0 rows added, 100 removed, 200 altered (30.0% of the rows)"
        in sessions
    )
    assert [held[0] for title, held in made.squares.items() if "events.logs" in title] == [
        *["waits l1"] * 3,
        "published l1",
    ]
    ids = made.attributes("id")
    assert len(ids) == len({*ids})
    assert {link[1:] for link in made.attributes("href") if link != "data:,"} <= {*ids}
    assert made.text.count("H held") > 1 and "W waits with its date" in made.text


def test_values_of_strangers_are_text(page: Callable[..., Page], tmp_path: Path) -> None:
    """A page title is what somebody sent: none may become an element, an attribute, a style or a template."""
    plain = page(comparison(changed("logs", DAYS[0], Decision.HOLD)))
    folder = tmp_path / "reports" / "code" / "logs"
    folder.mkdir(parents=True)
    (folder / "0123.sql").write_text(f"-- made from: {{}}\nselect 1 -- {HOSTILE}\n")
    cell = Cell("logs", DAYS[0])
    nodes = {
        unique_id: {**node, "name": HOSTILE} if node["name"] == "purchases" else node
        for unique_id, node in MODELS.manifest["nodes"].items()
    }
    made = page(
        comparison(
            replace(changed("logs", DAYS[0], Decision.HOLD), columns=(HOSTILE,)),
            changed(HOSTILE, DAYS[0], Decision.HOLD),
            differences={cell: Difference(1, 1, (Figure(HOSTILE, HOSTILE, "3"),), 0, 0, 1)},
            examples={
                "logs": [Example(DAYS[0], HOSTILE, "altered", {HOSTILE: (HOSTILE, f"{HOSTILE}!"), "b": (None, "")})]
            },
        ),
        Models({**MODELS.manifest, "nodes": nodes}, MODELS.staging),
    )
    assert {tag for tag, _ in made.elements} - {tag for tag, _ in plain.elements} <= {
        "article", "bdi", "br", "details", "h3", "h4", "i", "mark", "pre", "summary"
    }  # fmt: skip
    assert not [name for _, held in made.elements for name in held if name.startswith("on")]
    assert made.text.count(HOSTILE) > 5
    assert f"-select 1 -- {HOSTILE}" in made.text
    assert {"null", "empty"} <= {*made.texts}


def test_the_page_needs_nothing_beside_it(page: Callable[..., Page]) -> None:
    """It is sent by mail and opened offline, and what it shows must not call anywhere: a policy in the page forbids even what would slip in."""
    made = page(comparison(changed("logs", DAYS[0], Decision.HOLD)))
    assert not {"script", "iframe", "object", "img", "form", "base"} & {tag for tag, _ in made.elements}
    assert made.attributes("src") == []
    assert all(link.startswith("#") or link == "data:," for link in made.attributes("href"))
    policy = next(content for content in made.attributes("content") if content.startswith("default-src"))
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'") and "script-src" not in policy


def test_figures_are_exact_and_add_up(page: Callable[..., Page]) -> None:
    """Decimals have 38 digits, more than a float, and more than a Decimal's usual 28."""
    name, before, after = (
        "sum of revenue",
        "12345678901234567890123456789.000000001",
        "12345678901234567890123456789.000000003",
    )
    made = page(
        comparison(
            *(changed("purchases", day, Decision.HOLD) for day in DAYS[:2]),
            differences={
                Cell("purchases", DAYS[0]): Difference(2, 2, (Figure(name, before, after),)),
                Cell("purchases", DAYS[1]): Difference(2, 2, (Figure(name, "0", "-5.50"), Figure("odd", "one", "two"))),
            },
        )
    )
    assert "12,345,678,901,234,567,890,123,456,789.000000001" in made.text
    assert "+0.000000002" in made.text
    assert "sum of revenue on 2 dates" in made.text and "−5.499999998" in made.text
    assert "odd no numbers" in made.text
    assert [held["class"] for tag, held in made.elements if tag == "rect"] == ["up", "down"]


def test_counts_that_change_alike_stand_together(page: Callable[..., Page]) -> None:
    """Where rows went, the count of every column says so: twenty lines of it hid the sum that mattered."""
    counts = [Figure(f"count of c{n}", "9", "6") for n in range(6)]
    cell = Cell("purchases", DAYS[0])
    figures = (*counts, Figure("sum of revenue", "10", "1"))
    made = page(comparison(changed("purchases", DAYS[0], Decision.HOLD), differences={cell: Difference(9, 6, figures)}))
    assert "count of c0 and alike: count of c1, count of c2, count of c3 and 2 more 9 6 −3 −33.3 %" in made.text
    assert made.text.index("sum of revenue") < made.text.index("count of c0")


def test_a_row_that_went_has_one_side(page: Callable[..., Page]) -> None:
    """ "null" beside each of its values reads as if a column had been emptied."""
    rows = [
        Example(DAYS[0], "k1", "removed", {"a": ("was", None)}),
        Example(DAYS[0], "k2", "added", {"a": (None, "is")}),
    ]
    made = page(comparison(changed("logs", DAYS[0], Decision.HOLD), examples={"logs": rows}))
    assert "· removed k1 Column Before a was" in made.text and "· added k2 Column After a is" in made.text


@pytest.mark.parametrize(
    ("before", "after", "differs", "part"),
    [
        ("100", "150", "+50", "+50.0 %"),
        ("-100", "-150", "−50", "−50.0 %"),
        ("3", "3.00", "+0", "0 %"),
        ("0", "7", "+7", ""),
        ("1000000", "1000001", "+1", "+<0.01 %"),
        ("1e400", "1", "", ""),
        ("NaN", "1", "", ""),
    ],
)
def test_differences_of_figures(before: str, after: str, differs: str, part: str) -> None:
    """What was nothing has no percentage; what is no number, or would fill the page with zeros, has no difference."""
    assert (difference(before, after), percent(relative(before, after))) == (differs, part)


def test_figures_are_written_out() -> None:
    """Exponents and zeros that say nothing hide how large a number is."""
    assert [figure(text) for text in ("1234567.500000000", "1E+3", "-0.10", "100", "1e999999999")] == [
        "1,234,567.5", "1,000", "-0.1", "100", "1e999999999"
    ]  # fmt: skip


def test_nothing_in_a_value_is_invisible() -> None:
    """A soft hyphen, a no-break space or a mark of direction is why two values differ, or what turns the line around."""
    assert (
        visible("a\u202eb\u00a0\n\x00\ud800 Zoë 日本 ⟨")
        == "a⟨U+202E⟩b⟨U+00A0⟩⟨U+000A⟩⟨U+0000⟩⟨U+D800⟩ Zoë 日本 ⟨U+27E8⟩"
    )


@given(st.one_of(st.none(), st.text(max_size=2000)), st.one_of(st.none(), st.text(max_size=2000)))
def test_values_that_differ_look_different(before: str | None, after: str | None) -> None:
    """Cut to what fits, two long addresses looked the same."""
    left, right = shown(before, after)
    assert (left == right) == (before == after)
    assert all(len("".join(side[:3])) < 9 * 1000 for side in (left, right))


def edited(models: Models, name: str, change: Callable[[str], str]) -> Models:
    """The models after an edit of the compiled SQL of one."""
    nodes = {
        unique_id: {**node, "compiled_code": change(node["compiled_code"])} if node["name"] == name else node
        for unique_id, node in models.manifest["nodes"].items()
    }
    return replace(models, manifest={**models.manifest, "nodes": nodes})


def since(folder: Path, before: Models, now: Models, *names: str) -> dict[str, list[CodeChange]]:
    remember_code(folder, before, names)
    return code_changes(folder, now, {name: {code} for name, code in before.codes(names).items()})


def test_an_edit_shows_with_the_model_itself(tmp_path: Path) -> None:
    """Old lines against new ones, of the SQL that a warehouse sees."""
    now = edited(MODELS, "purchases", lambda sql: f"{sql}\nwhere 1 = 1")
    ((change,),) = since(tmp_path, MODELS, now, "purchases").values()
    assert change.name == "purchases" and change.lines is not None
    assert [line for line in change.lines[2:] if line[0] in "+-"] == ["+where 1 = 1"]


def test_an_edit_further_up_shows_where_it_was_made(tmp_path: Path) -> None:
    """A mended filter in staging changes every model, and none of their own SQL."""
    now = edited(MODELS, "stg_hits", lambda sql: f"{sql}\n  and 2 = 2")
    found = since(tmp_path, MODELS, now, "overview_1d", "revenue_1d", "logs")
    assert {name: {change.name for change in changes} for name, changes in found.items()} == {
        name: {"stg_hits"} for name in ("overview_1d", "revenue_1d", "logs")
    }
    assert len({change for changes in found.values() for change in changes}) == 1


def test_comments_and_layout_are_no_change(tmp_path: Path) -> None:
    """They change no code version: shown, they hide the line that did."""
    commented = edited(MODELS, "logs", lambda sql: f"-- mended\n\n{sql}")
    both = edited(commented, "purchases", lambda sql: f"{sql}\nwhere 1 = 1")
    found = since(tmp_path, MODELS, both, "purchases")
    assert [change.name for change in found["purchases"]] == ["purchases"]


def test_a_new_parser_shows_as_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is part of the code version of whatever reads user agents, and has no SQL."""
    remember_code(tmp_path, MODELS, ["logs"])
    published = {"logs": {*MODELS.codes(["logs"]).values()}}
    monkeypatch.setattr(kept_code, "PARSER_VERSION", "2/2/2")
    monkeypatch.setattr("ingestion_platform.assets.translator.PARSER_VERSION", "2/2/2")
    (change,) = code_changes(tmp_path, Models(MODELS.manifest, MODELS.staging), published)["logs"]
    assert change.name == PARSER and change.lines is not None and change.lines[1] == "+2/2/2"


def test_code_that_was_not_kept_is_said_to_be_unknown(page: Callable[..., Page]) -> None:
    """What was published before code was kept has a version and no text; a diff against nothing would look like a rewrite."""
    made = page(comparison(changed("sessions", DAYS[0], Decision.HOLD)))
    assert "is not known: code version 0123 is not kept below reports/code" in made.text
    assert "pre" not in {tag for tag, _ in made.elements}
    never = replace(changed("sessions", DAYS[0], Decision.HOLD), before=version(""))
    assert "no code version was noted then" in page(comparison(never)).text


@pytest.mark.parametrize("name", ["../../secret", "", "0123/..", "ABC"])
def test_only_a_version_is_looked_for(tmp_path: Path, name: str) -> None:
    """The ledger's texts become names of files here."""
    (tmp_path / "secret.sql").write_text("-- made from: {}\nsecret\n")
    (tmp_path / "code" / "logs").mkdir(parents=True)
    ((change,),) = code_changes(tmp_path, MODELS, {"logs": {name}}).values()
    assert change.lines is None


def test_code_is_written_once(tmp_path: Path) -> None:
    """Hourly runs write nothing anew; what a version was stays as it was kept first."""
    remember_code(tmp_path, MODELS, ["purchases"])
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.sql")}
    read = {"stg_hits", "stg_user_agents", "int_duplicates", "int_orders"}
    assert {path.parent.name for path in files} == {"purchases", "logs", *read}
    assert all(re.fullmatch(r"[0-9a-f]{16}\.sql", path.name) for path in files)
    remember_code(tmp_path, MODELS, ["purchases", "logs"])
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.sql")} == files
    remember_code(tmp_path, edited(MODELS, "purchases", lambda sql: f"{sql}\nwhere 1 = 1"), ["purchases"])
    assert len([*(tmp_path / "code" / "purchases").iterdir()]) == 2


def test_a_run_keeps_its_code_and_says_where_the_page_is(tmp_path: Path) -> None:
    """Each run's code is the old code of a later one; only one that holds something has a page."""
    said: list[str] = []
    more: Any = {"run_id": "run-1", "window": WINDOW, "log": said.append}
    keep_report(tmp_path, None, MODELS, **more)
    assert not [*tmp_path.iterdir()]
    keep_report(tmp_path, comparison(changed("logs", DAYS[0], Decision.UNCHANGED), audit_id=""), MODELS, **more)
    assert (tmp_path / "code" / "logs").is_dir() and not said
    keep_report(tmp_path, comparison(changed("logs", DAYS[0], Decision.HOLD)), MODELS, **more)
    assert said == [f"What would change, to look at: {tmp_path / 'audit1.html'}"]


def test_a_page_that_cannot_be_written_fails_no_run(tmp_path: Path) -> None:
    """By then the run has published: failed, it would show as not materialized what everybody sees."""
    said: list[str] = []
    (tmp_path / "file").write_text("")
    held = comparison(changed("logs", DAYS[0], Decision.HOLD))
    keep_report(tmp_path / "file", held, MODELS, run_id="run-1", window=WINDOW, log=said.append)
    assert len(said) == 1 and said[0].startswith("No page of the audit was written")
