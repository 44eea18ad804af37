"""Writes PDF with the standard fonts, so that nothing is embedded and a page costs about two kilobytes."""

from __future__ import annotations

import io
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, PageBreak, SimpleDocTemplate
from reportlab.platypus import Paragraph as Text
from reportlab.platypus import Table as Grid

from dev.documents.markup import Block, Break, Bullet, Heading, Paragraph, Table, blocks, title

_BODY = ParagraphStyle("body", fontName="Helvetica", fontSize=10, leading=13.5, spaceAfter=6)
_CELL = ParagraphStyle("cell", parent=_BODY, fontSize=9, leading=11, spaceAfter=0)
_HEAD = ParagraphStyle("head", parent=_CELL, fontName="Helvetica-Bold")
_BULLET = ParagraphStyle("bullet", parent=_BODY, leftIndent=14, bulletIndent=4)
_HEADINGS = {
    level: ParagraphStyle(f"heading{level}", _BODY, fontName="Helvetica-Bold", fontSize=size, leading=size * 1.3,
                          spaceBefore=10, keepWithNext=1)
    for level, size in ((1, 17), (2, 13), (3, 11))
}  # fmt: skip


def write(source: str, author: str) -> bytes:
    """The source as a PDF file on A4 with page numbers."""
    out = io.BytesIO()
    template = SimpleDocTemplate(
        out, pagesize=A4, leftMargin=25 * mm, rightMargin=25 * mm, topMargin=22 * mm, bottomMargin=22 * mm,
        title=title(source), author=author, invariant=1, pageCompression=1, lang="en",
    )  # fmt: skip
    template.build([_flowable(block) for block in blocks(source)], _numbered, _numbered)
    return out.getvalue()


def _flowable(block: Block) -> Flowable:
    match block:
        case Heading(level, text):
            return Text(escape(text), _HEADINGS[level])
        case Paragraph(text):
            return Text(escape(text), _BODY)
        case Bullet(text):
            return Text(escape(text), _BULLET, bulletText="•")
        case Table(rows):
            return _grid(rows)
        case Break():
            return PageBreak()


def _grid(rows: list[list[str]]) -> Grid:
    cells = [[Text(escape(cell), _CELL if at else _HEAD) for cell in row] for at, row in enumerate(rows)]
    ruled = [("GRID", (0, 0), (-1, -1), 0.4, colors.grey), ("VALIGN", (0, 0), (-1, -1), "TOP")]
    return Grid(cells, repeatRows=1, style=ruled, spaceBefore=4, spaceAfter=10)


def _numbered(canvas: Canvas, _template: SimpleDocTemplate) -> None:
    canvas.setFont("Helvetica", 8)
    canvas.drawRightString(A4[0] - 25 * mm, 12 * mm, f"Page {canvas.getPageNumber()}")
