"""The project's pages as a folder of HTML: its Markdown rendered, each page beside a list of all, with the files that pages link to.

`index.html` is the README. A page keeps its place (.md becomes .html), so that links need no more than another ending.
Nothing is fetched when a page is viewed, and none has a script.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

_TEMPLATES = Path(__file__).parent / "html"
_OPEN = 2
"""So many groups of the list show their pages at once; of the others, the one that a page is in."""


class Page(NamedTuple):
    """A page: where its Markdown and its HTML lie, below their roots, and its first heading."""

    source: Path
    path: str
    title: str


class Group(NamedTuple):
    """A part of the list of pages."""

    name: str
    pages: Sequence[Page]
    open: bool = False


_GROUPS = (
    ("Start", "*.md"),
    ("Guides", "docs/guides/*.md"),
    ("How it works", "docs/*.md"),
    ("Runbooks", "docs/runbooks/*.md"),
    ("The cloud path", "infra/*.md"),
    ("Decisions", "docs/decisions/*.md"),
)


def write_pages(root: Path, folder: Path) -> list[str]:
    """Render the Markdown of the checkout `root` into `folder`; returns the paths that were written, `index.html` first."""
    groups = [Group(name, [_page(root, source) for source in _sources(root, pattern)]) for name, pattern in _GROUPS]
    written = {page.source: page.path for group in groups for page in group.pages}
    template = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True).get_template("docs.html")
    css = Markup((_TEMPLATES / "docs.css").read_text(encoding="utf-8"))
    for page in (page for group in groups for page in group.pages):
        shown = [
            group._replace(open=number < _OPEN or page in group.pages)
            for number, group in enumerate(groups)
            if group.pages
        ]
        content, linked = _render(root / page.source, root)
        target = folder / page.path
        target.parent.mkdir(parents=True, exist_ok=True)
        up = "../" * page.path.count("/")
        target.write_text(
            template.render(title=page.title, css=css, root=up, path=page.path, groups=shown, content=Markup(content)),
            encoding="utf-8",
        )
        for file in linked - written.keys():
            copy = folder / file
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / file, copy)
    return list(written.values())


def _sources(root: Path, pattern: str) -> list[Path]:
    """README first, then by name."""
    found = [path.relative_to(root) for path in root.glob(pattern)]
    return sorted(found, key=lambda path: (path.name != "README.md", path))


def _page(root: Path, source: Path) -> Page:
    title = re.search(r"^# (.+)$", (root / source).read_text(encoding="utf-8"), re.M)
    path = "index.html" if source == Path("README.md") else source.with_suffix(".html").as_posix()
    return Page(source, path, title[1].replace("`", "") if title else source.stem)


def _render(file: Path, root: Path) -> tuple[str, set[Path]]:
    """The HTML of a page, and the files below `root` that it links to."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    tokens = markdown.parse(file.read_text(encoding="utf-8"))
    linked: set[Path] = set()
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and following is not None:
            token.attrSet("id", slug(following.content))
        for attribute, inner in _links(token):
            target, _, heading = f"{inner.attrs[attribute]}".partition("#")
            if not target or "://" in target:
                continue
            path = (file.parent / target).resolve()
            if path.is_file() and path.is_relative_to(root):
                linked.add(path.relative_to(root))
            inner.attrSet(attribute, _address(path, target, root) + (f"#{heading}" if heading else ""))
    html: str = markdown.renderer.render(tokens, markdown.options, {})
    return html.replace("<table>", '<div class="table"><table>').replace("</table>", "</table></div>"), linked


def _links(token: Token) -> Iterator[tuple[str, Token]]:
    for inner in token.children or []:
        if inner.type == "link_open":
            yield "href", inner
        elif inner.type == "image":
            yield "src", inner
            yield from _links(inner)


def _address(path: Path, target: str, root: Path) -> str:
    if path == root / "README.md":
        return target.removesuffix("README.md") + "index.html"
    return target.removesuffix(".md") + ".html" if target.endswith(".md") else target


def slug(heading: str) -> str:
    """What a link to a heading is called, by the rule that code hosts have."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-")
