"""What every page shares: one base template, one set of design tokens, and how figures are written.

The console (server/) and the right-sizing report (tasks/report/) build on it. A served page links `tokens.css`; a
self-contained one passes `inline_styles=styles()` and links nothing. Nothing here knows of HTTP.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from rightsized.tasks.pages import figures

HERE = Path(__file__).parent


@lru_cache(maxsize=8)
def environment(*folders: Path) -> Environment:
    """A Jinja2 environment that finds templates in `folders`, then here. Autoescape is always on.

    A name that a template uses and nobody gave is an error, never an empty string.
    """
    made = Environment(
        loader=FileSystemLoader([*folders, HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(figures.FILTERS)
    return made


def render(template: str, *, folders: tuple[Path, ...] = (), **context: Any) -> str:
    """The text of a page. `folders` hold the caller's own templates; they may extend `base.html`."""
    context.setdefault("inline_styles", None)
    return environment(*folders).get_template(template).render(context)


def styles(*more: Path) -> Markup:
    """The design tokens, and further style sheets after them, for a self-contained page."""
    return Markup("\n").join(Markup(path.read_text("utf-8")) for path in (HERE / "tokens.css", *more))  # noqa: S704 - our own files
