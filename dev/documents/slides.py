"""Writes PPTX: each second-level heading of the source opens a slide; paragraphs are its speaker's notes."""

from __future__ import annotations

import io

from pptx import Presentation
from pptx.slide import Slide
from pptx.util import Cm

from dev.documents.markup import Bullet, Heading, Paragraph, Table, blocks, title
from dev.documents.packages import settled

_TITLE, _TITLE_AND_BODY, _TITLE_ONLY = 0, 1, 5  # layouts of the default template
_TABLE_BOX = (Cm(1.5), Cm(5), Cm(22), Cm(8))  # left, top, width, height


def write(source: str, author: str) -> bytes:
    """The source as a slide deck."""
    deck = Presentation()
    deck.core_properties.title, deck.core_properties.author = title(source), author
    slide, found = deck.slides.add_slide(deck.slide_layouts[_TITLE]), list(blocks(source))
    for at, block in enumerate(found):
        match block:
            case Heading(1, text):
                slide.shapes.title.text = text
            case Heading(_, text):
                tabled = any(isinstance(b, Table) for b in found[at + 1 : at + 2])
                slide = deck.slides.add_slide(deck.slide_layouts[_TITLE_ONLY if tabled else _TITLE_AND_BODY])
                slide.shapes.title.text = text
            case Bullet(text):
                _bullet(slide, text)
            case Paragraph(text):
                slide.notes_slide.notes_text_frame.text = text
            case Table(rows):
                _table(slide, rows)
            case _:
                pass
    out = io.BytesIO()
    deck.save(out)
    return settled(out.getvalue())


def _bullet(slide: Slide, text: str) -> None:
    frame = slide.placeholders[1].text_frame
    paragraph = frame.add_paragraph() if frame.text else frame.paragraphs[0]
    paragraph.text = text


def _table(slide: Slide, rows: list[list[str]]) -> None:
    table = slide.shapes.add_table(len(rows), len(rows[0]), *_TABLE_BOX).table
    for y, row in enumerate(rows):
        for x, text in enumerate(row):
            table.cell(y, x).text = text
