"""Every page names what there is: commands, paths, modules, links, settings, checks. CHANGELOG.md names what there was."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ingestion_platform.assets.archive_events import LAYOUT_SPEC
from ingestion_platform.assets.change_checks import CHECK
from ingestion_platform.assets.checks import StatisticsChecks
from ingestion_platform.assets.identities import IDENTITIES
from ingestion_platform.assets.raw_logs import objects_readable_spec
from ingestion_platform.assets.simulated.expected_results import ExpectedResults

ROOT = Path(__file__).parents[1]
CODE = ("benchmarks", "collector", "dbt_models", "deploy", "infra", "platform", "simulations")
FOLDERS = (*CODE, ".github", "docs", "requirements", "tests")
# An asset, whose key looks like a path.
KEY = "simulations/traffic"


def below(folder: str, *endings: str) -> list[Path]:
    """Files of ours, without what tools leave beside them."""
    made = {"__pycache__", "target", "logs"}
    found = (path for path in (ROOT / folder).rglob("*") if path.suffix in endings)
    return sorted(path for path in found if not made & {*path.relative_to(ROOT).parts[:-1]})


PAGES = sorted({*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in below(folder, ".md"))})
PAGES.remove(ROOT / "CHANGELOG.md")
SOURCES = [path for folder in CODE for path in below(folder, ".py", ".sql", ".yml", ".yaml")]


def lost(pages: Iterable[Path], find: Callable[[Path], Iterable[str]]) -> dict[str, list[str]]:
    """What `find` misses, by page."""
    missed = {f"{page.relative_to(ROOT)}": list(find(page)) for page in pages}
    return {page: names for page, names in missed.items() if names}


def code_of(page: Path) -> list[str]:
    """What a page sets as code: fenced lines, and spans within a line."""
    fence = re.compile(r"^ *```\w*\n(.*?)^ *```", re.M | re.S)
    text = page.read_text(encoding="utf-8")
    lines = [line for block in fence.findall(text) for line in block.splitlines()]
    return lines + re.findall(r"`([^`\n]+)`", fence.sub("", text))


def test_every_command_is_one() -> None:
    """A newcomer types what stands there: the Makefile has each target."""
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.M))

    def unknown(page: Path) -> list[str]:
        named = [name for code in code_of(page) for name in re.findall(r"(?:^|[\s;&])make ([a-z][a-z-]*)", code)]
        return [name for name in named if name not in targets]

    assert lost(PAGES, unknown) == {}


def test_every_path_is_there() -> None:
    """A file became a folder, and a comment went on naming it: pages and comments lead to what there is, or what a guide makes."""

    made = set(re.findall(r"^cat > (\S+) <<", "".join(guide.read_text() for guide in PAGES), re.M))

    def missing(page: Path) -> list[str]:
        path = rf"(?<![\w./-])((?:{'|'.join(map(re.escape, FOLDERS))})/[\w./*-]*\w)"
        named = re.findall(path, page.read_text(encoding="utf-8"))
        return [name for name in named if name != KEY and name not in made and not any(ROOT.glob(name))]

    assert len(SOURCES) > 150
    assert lost([*PAGES, *SOURCES], missing) == {}


def test_every_file_and_module_is_there() -> None:
    """Files that are named without their folder; of a dotted name the module, and what is named of it."""
    files = {path.name for folder in FOLDERS for path in (ROOT / folder).rglob("*.*")} | {
        path.name for path in ROOT.iterdir()
    }
    dotted = re.compile(r"(?<![\w./-])(?:benchmarks|collector|ingestion_platform|simulations)(?:\.\w+)+(?![\w/])")

    def missing(page: Path) -> Iterator[str]:
        for code in code_of(page):
            if re.fullmatch(r"[\w./-]+\.(?:py|sql|ya?ml|md|toml)", code):
                yield from [] if Path(code).name in files else [code]
            else:
                yield from (name for name in dotted.findall(code) if not is_there(name))

    assert lost(PAGES, missing) == {}


def is_there(dotted: str) -> bool:
    """Whether a dotted name is a package, a module, or something that stands in a module."""
    place, names = ROOT, dotted.replace("ingestion_platform", "platform").split(".")
    while names and (place / names[0]).is_dir():
        place /= names.pop(0)
    if not names:
        return True
    module = place / f"{names[0]}.py"
    return module.is_file() and all(re.search(rf"\b{name}\b", module.read_text()) for name in names[1:])


def test_every_link_leads_somewhere() -> None:
    """To a file, and to a heading in it."""

    def dead(page: Path) -> Iterator[str]:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            path, _, heading = target.partition("#")
            file = page.parent / path if path else page
            if "://" not in target and not (file.exists() and (not heading or heading in anchors(file))):
                yield target

    assert lost(PAGES, dead) == {}


def anchors(page: Path) -> set[str]:
    """What a link to a heading of the page is called."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_setting_of_the_example_is_read() -> None:
    """A line of .env.example that nothing reads changes nothing, and nobody is told."""
    offered = re.findall(r"^#?([A-Z][A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M)
    sources = "".join(
        path.read_text() for folder in ("collector", "platform", "simulations") for path in below(folder, ".py")
    )
    assert len(offered) > 20
    assert [name for name in offered if not re.search(rf'["\']{name}["\']', sources)] == []


def test_every_check_is_on_its_page() -> None:
    """Checks were renamed and pages kept the old names: docs/checks.md has those that stop, docs/orchestration.md the others too."""
    specs = StatisticsChecks(ExpectedResults()).specs(None)
    stopping = [name for name, spec in specs.items() if spec.blocking]
    assert in_rows("docs/checks.md", "# Checks: what stops a wrong figure") == stopping
    others = {objects_readable_spec().name, LAYOUT_SPEC.name, CHECK, *specs} - {
        identity.name for identity in IDENTITIES
    }
    named = {*in_rows("docs/orchestration.md", "## Checks")}
    assert others <= named <= {*others, *specs}


def in_rows(page: str, heading: str) -> list[str]:
    """Code in the first cells of the table below a heading."""
    section = (ROOT / page).read_text(encoding="utf-8").split(f"{heading}\n", 1)[1].split("\n#", 1)[0]
    return [name for row in re.findall(r"^\| ([^|]+) \|", section, re.M) for name in re.findall(r"`(\w+)`", row)]
