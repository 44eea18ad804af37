"""Documents with pages: PDF in one and two columns, with hyphens and running lines, pictures and scans."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.documents import Source

RUNNING = "Confidential draft"
A4 = (595.28, 841.89)  # points
_DOTS = 200  # an inch, of scans


def write_pdf(source: Source, path: Path) -> None:
    """One column, with headings, items and tables."""
    _build(source, path, columns=1, running=False)


def write_columns(source: Source, path: Path) -> None:
    """Two columns under a title that spans both."""
    _build(source, path, columns=2, running=False)


def write_hyphenated(source: Source, path: Path) -> None:
    """Justified lines with words cut at their ends, a running header and page numbers."""
    _build(source, path, columns=1, running=True)


def _build(source: Source, path: Path, *, columns: int, running: bool) -> None:
    from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate

    width, height = A4
    margin, gutter = 60.0, 24.0
    across = (width - 2 * margin - gutter * (columns - 1)) / columns
    frames = [
        Frame(margin + at * (across + gutter), margin, across, height - 2 * margin, 0, 0, 0, 0) for at in range(columns)
    ]

    def decorate(canvas: Any, document: Any) -> None:
        if running:
            canvas.setFont("Helvetica", 8)
            canvas.drawString(margin, height - 30, RUNNING)
            canvas.drawRightString(width - margin, 30, f"Page {document.page}")

    template = PageTemplate(frames=frames, onPage=decorate)
    document = BaseDocTemplate(
        str(path), pagesize=A4, title=source.title, author="Anna Buyer", pageTemplates=[template]
    )
    document.build(_story(source, running))


def _story(source: Source, hyphens: bool) -> list[Any]:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import ListFlowable, Paragraph, Table

    text = ParagraphStyle("text", fontName="Helvetica", fontSize=10, leading=12.5, spaceAfter=7)
    if hyphens:
        text = ParagraphStyle("cut", parent=text, alignment=4)
    title = ParagraphStyle("title", parent=text, fontName="Helvetica-Bold", fontSize=18, leading=23, spaceAfter=12)
    heading = ParagraphStyle("heading", parent=text, fontName="Helvetica-Bold", fontSize=13, leading=17, spaceBefore=6)
    story: list[Any] = [Paragraph(source.title, title)]
    for section in source.sections:
        story.append(Paragraph(f"{section.number}. {section.heading}", heading))
        story += [Paragraph(_cut(words) if hyphens else words, text) for words in section.paragraphs]
        if section.items:
            items = [Paragraph(item, text) for item in section.items]
            story.append(ListFlowable(items, bulletType="bullet", start="•", leftIndent=14))
        if section.rows:
            style = [("FONT", (0, 0), (-1, 0), "Helvetica-Bold", 10), ("FONT", (0, 1), (-1, -1), "Helvetica", 10)]
            story.append(Table([list(row) for row in section.rows], style=style, hAlign="LEFT", spaceAfter=8))
    return story


def _cut(words: str) -> str:
    """With places where a long word may be cut, each a hyphen if a line ends there."""
    return " ".join(f"{word[:4]}\u00ad{word[4:]}" if len(word) > 8 else word for word in words.split(" "))


def pictures(source: Source) -> list[Any]:
    """Pages as pictures, black on white, 200 dots an inch."""
    import textwrap

    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(30)
    size = (round(A4[0] / 72 * _DOTS), round(A4[1] / 72 * _DOTS))
    lines: list[str] = []
    for text in _texts(source):
        lines += [*textwrap.wrap(text, 84), ""]
    pages = []
    for start in range(0, len(lines), 44):
        page = Image.new("L", size, "white")
        draw = ImageDraw.Draw(page)
        for at, line in enumerate(lines[start : start + 44]):
            draw.text((150, 150 + 44 * at), line, font=font, fill="black")
        pages.append(page)
    return pages


def _texts(source: Source) -> Sequence[str]:
    found = [source.title]
    for section in source.sections:
        found += [section.heading, *section.paragraphs, *section.items, *("   ".join(row) for row in section.rows)]
    return found


def write_picture(source: Source, path: Path) -> None:
    """A picture of the first page."""
    pictures(source)[0].save(path, dpi=(_DOTS, _DOTS))


def write_scan(source: Source, path: Path) -> None:
    """A PDF of pictures."""
    first, *rest = pictures(source)
    first.save(path, save_all=True, append_images=rest, resolution=_DOTS)
