"""Writes DOCX: python-docx's template without the hundred table styles that nothing here uses."""

from __future__ import annotations

import io
from itertools import chain

from docx import Document
from docx.document import Document as Doc
from docx.opc.constants import RELATIONSHIP_TYPE

from dev.documents.markup import Break, Bullet, Heading, Paragraph, Table, blocks, title
from dev.documents.packages import settled

_KEPT = {"Normal", "Heading1", "Heading2", "Title", "ListBullet", "DefaultParagraphFont", "TableNormal", "TableGrid"}
_IDLE = ("stylesWithEffects", "customXml")


def write(source: str, author: str) -> bytes:
    """The source as a DOCX file. Level 1 becomes the title, level 2 and 3 become headings 1 and 2."""
    document = Document()
    _slim(document)
    document.core_properties.title = title(source)
    document.core_properties.author = author
    document.core_properties.comments = ""
    for block in blocks(source):
        match block:
            case Heading(level, text):
                document.add_heading(text, level - 1)
            case Paragraph(text):
                document.add_paragraph(text)
            case Bullet(text):
                document.add_paragraph(text, style="List Bullet")
            case Table(rows):
                _table(document, rows)
            case Break():
                document.add_page_break()
    out = io.BytesIO()
    document.save(out)
    return settled(out.getvalue())


def _slim(document: Doc) -> None:
    styles = document.styles.element
    for style in list(styles):
        name = style.get(f"{{{style.nsmap['w']}}}styleId")
        if style.tag.endswith("}latentStyles") or (style.tag.endswith("}style") and name not in _KEPT):
            styles.remove(style)
    for part in (document.part, document.part.package):
        for key, relation in list(part.rels.items()):
            if relation.reltype == RELATIONSHIP_TYPE.THUMBNAIL or any(
                word in relation.reltype or word in relation.target_ref for word in _IDLE
            ):
                del part.rels[key]


def _table(document: Doc, rows: list[list[str]]) -> None:
    table = document.add_table(len(rows), len(rows[0]), style="Table Grid")
    for cell, text in zip(chain.from_iterable(row.cells for row in table.rows), chain.from_iterable(rows), strict=True):
        cell.text = text
