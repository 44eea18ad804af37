"""Documents in every format from words that are known: seeded, so that what a parser loses can be counted.

Each word of a document occurs once in it, so that order can be told as well as presence. Makers write files; nothing
is parsed or measured here (`benchmarks.parsers` does).
"""

from __future__ import annotations

import random
import zipfile
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import NamedTuple

_STARTS = [
    "b",
    "br",
    "c",
    "cl",
    "d",
    "dr",
    "f",
    "fl",
    "g",
    "gr",
    "h",
    "j",
    "k",
    "l",
    "m",
    "n",
    "p",
    "pl",
    "pr",
    "qu",
    "r",
    "s",
    "sl",
    "st",
    "t",
    "tr",
    "v",
    "w",
    "z",
]
_MIDDLES = ["a", "e", "i", "o", "u", "ai", "ea", "ou"]
_ENDS = ["b", "ck", "d", "ft", "g", "l", "lt", "m", "n", "nd", "p", "r", "rd", "s", "st", "t", "x"]
HEADER = "CONFIDENTIAL DRAFT OF THE PURCHASER"  # runs over the pages of PDF and DOCX
_LINE = 92  # characters of a line of plain text


class Section(NamedTuple):
    """`number` stands before the heading. `rows`: the first names the columns; none for a section without a table."""

    number: str
    heading: str
    paragraphs: tuple[str, ...]
    items: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Source(NamedTuple):
    """What every format of one document says."""

    title: str
    sections: tuple[Section, ...]

    def words(self) -> list[str]:
        """All its words, in the order of reading."""
        found = self.title.split()
        for section in self.sections:
            found += section.heading.split()
            for text in (*section.paragraphs, *section.items, *(cell for row in section.rows for cell in row)):
                found += text.replace(".", " ").split()
        return found


def invent(seed: int, sections: int) -> Source:
    """A document of about 190 words a section."""
    rng = random.Random(seed)
    fresh = _fresh_words(rng)

    def words(count: int) -> str:
        return " ".join(next(fresh) for _ in range(count))

    def sentences(count: int) -> str:
        return " ".join(f"{words(rng.randint(8, 18)).capitalize()}." for _ in range(count))

    def section(number: int) -> Section:
        rows: tuple[tuple[str, ...], ...] = ()
        if number % 3 == 0:
            rows = (tuple(words(1).capitalize() for _ in range(3)),)
            rows += tuple((words(1), str(rng.randint(10_000, 99_999) * 1000 + number), words(1)) for _ in range(5))
        paragraphs = tuple(sentences(rng.randint(2, 5)) for _ in range(4))
        items = tuple(words(rng.randint(3, 7)) for _ in range(3)) if number % 2 else ()
        return Section(f"{number}", words(3).title(), paragraphs, items, rows)

    return Source(words(4).title(), tuple(section(number) for number in range(1, sections + 1)))


def _fresh_words(rng: random.Random) -> Iterator[str]:
    """Words of two or three syllables, none twice."""
    seen: set[str] = set()
    while True:
        syllables = rng.randint(2, 3)
        word = "".join(rng.choice(_STARTS) + rng.choice(_MIDDLES) for _ in range(syllables)) + rng.choice(_ENDS)
        if word not in seen:
            seen.add(word)
            yield word


def write_text(source: Source, path: Path, encoding: str = "utf-8") -> None:
    """Plain text with lines of at most 92 characters."""
    path.write_bytes(plain(source).encode(encoding))


def plain(source: Source) -> str:
    """The document as plain text."""
    import textwrap

    blocks = [source.title.upper()]
    for section in source.sections:
        blocks.append(f"{section.number}. {section.heading}")
        blocks += [textwrap.fill(text, _LINE) for text in section.paragraphs]
        blocks += ["\n".join(f"- {item}" for item in section.items)] if section.items else []
        blocks += ["\n".join("   ".join(row) for row in section.rows)] if section.rows else []
    return "\n\n".join(blocks) + "\n"


def write_markdown(source: Source, path: Path) -> None:
    """Markdown with headings, items and pipe tables."""
    blocks = [f"# {source.title}"]
    for section in source.sections:
        blocks.append(f"## {section.number}. {section.heading}")
        blocks += section.paragraphs
        blocks += ["\n".join(f"* {item}" for item in section.items)] if section.items else []
        if section.rows:
            lines = [f"| {' | '.join(row)} |" for row in section.rows]
            blocks.append("\n".join([lines[0], "|---|---|---|", *lines[1:]]))
    path.write_text("\n\n".join(blocks) + "\n", "utf-8")


def html(source: Source) -> str:
    """The document as a page of HTML, with navigation and scripts around it."""
    body = [f"<h1>{source.title}</h1>"]
    for section in source.sections:
        body.append(f"<h2>{section.number}. {section.heading}</h2>")
        body += [f"<p>{text}</p>" for text in section.paragraphs]
        body.append("<ul>" + "".join(f"<li>{item}</li>" for item in section.items) + "</ul>" if section.items else "")
        for at, row in enumerate(section.rows):
            tag = "th" if at == 0 else "td"
            cells = "".join(f"<{tag}>{cell}</{tag}>" for cell in row)
            ends = ("<table>" if at == 0 else "", "</table>" if at == len(section.rows) - 1 else "")
            body.append(f"{ends[0]}<tr>{cells}</tr>{ends[1]}")
    head = f"<title>{source.title}</title><style>p{{margin:0}}</style><script>var navigate = 1;</script>"
    menu = "<nav><a href=/>Menu</a></nav>"
    return f"<!doctype html><html lang=en><head>{head}</head><body>{menu}{''.join(body)}</body></html>"


def write_html(source: Source, path: Path) -> None:
    """A page of HTML."""
    path.write_text(html(source), "utf-8")


def write_docx(source: Source, path: Path) -> None:
    """A Word document with styles, a running header and tables."""
    import docx

    document = docx.Document()
    document.core_properties.title = source.title
    document.sections[0].header.paragraphs[0].text = HEADER
    document.add_heading(source.title, 0)
    for section in source.sections:
        document.add_heading(f"{section.number}. {section.heading}", 1)
        for text in section.paragraphs:
            document.add_paragraph(text)
        for item in section.items:
            document.add_paragraph(item, style="List Bullet")
        if section.rows:
            table = document.add_table(rows=0, cols=3)
            for row in section.rows:
                for cell, text in zip(table.add_row().cells, row, strict=True):
                    cell.text = text
    document.save(str(path))


def write_pptx(source: Source, path: Path) -> None:
    """A presentation: a slide a section, its paragraphs as points, its items in the notes."""
    import pptx
    from pptx.util import Inches

    deck = pptx.Presentation()
    deck.core_properties.title = source.title
    first = deck.slides.add_slide(deck.slide_layouts[5])
    first.shapes.title.text = source.title
    for section in source.sections:
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = section.heading
        slide.placeholders[1].text_frame.text = "\n".join((*section.paragraphs, *section.items))
        if section.rows:
            table = slide.shapes.add_table(len(section.rows), 3, Inches(1), Inches(5), Inches(8), Inches(1)).table
            for at, row in enumerate(section.rows):
                for column, text in enumerate(row):
                    table.cell(at, column).text = text
    deck.save(str(path))


def tabular(source: Source) -> list[list[str]]:
    """Rows of which each word occurs once: the title, then headings and texts in turn."""
    rows = [["Part", "Text"], ["title", source.title]]
    for section in source.sections:
        texts = (*section.paragraphs, *section.items, *(cell for row in section.rows for cell in row))
        rows += [[section.heading if at == 0 else "", text] for at, text in enumerate(texts)]
    return rows


def write_xlsx(source: Source, path: Path) -> None:
    """A workbook of one sheet."""
    import openpyxl

    workbook = openpyxl.Workbook()
    for row in tabular(source):
        workbook.active.append(row)
    workbook.save(path)


def write_csv(source: Source, path: Path) -> None:
    """A table of text."""
    import csv

    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(tabular(source))


def mail(source: Source, attachment: Path | None = None) -> bytes:
    """A mail with a plain and an HTML body."""
    message = EmailMessage()
    message["From"], message["To"] = "Anna Buyer <anna@example.com>", "legal@example.com"
    message["Subject"], message["Date"] = source.title, "Fri, 27 Nov 2026 10:00:00 +0100"
    message["Message-ID"] = f"<{source.title.split()[0]}@example.com>"
    message.set_content(plain(source).partition("\n\n")[2])
    message.add_alternative(html(source), subtype="html")
    if attachment is not None:
        message.add_attachment(
            attachment.read_bytes(), maintype="application", subtype="octet-stream", filename=attachment.name
        )
    return message.as_bytes()


def write_mail(source: Source, path: Path) -> None:
    """A mail."""
    path.write_bytes(mail(source))


def write_mbox(source: Source, path: Path) -> None:
    """A mailbox of one mail."""
    path.write_bytes(b"From anna@example.com Fri Nov 27 10:00:00 2026\n" + mail(source) + b"\n")


def write_zip(source: Source, path: Path) -> None:
    """An archive of one plain text."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/document.txt", plain(source))


Maker = Callable[[Source, Path], None]


def _makers() -> dict[str, tuple[str, Maker]]:
    from benchmarks import documents_paged as paged

    return {
        "text": ("txt", write_text),
        "text, UTF-16": ("txt", lambda source, path: write_text(source, path, "utf-16")),
        "Markdown": ("md", write_markdown),
        "HTML": ("html", write_html),
        "PDF": ("pdf", paged.write_pdf),
        "PDF, two columns": ("pdf", paged.write_columns),
        "PDF, hyphens, running lines": ("pdf", paged.write_hyphenated),
        "DOCX": ("docx", write_docx),
        "PPTX": ("pptx", write_pptx),
        "XLSX": ("xlsx", write_xlsx),
        "CSV": ("csv", write_csv),
        "EML": ("eml", write_mail),
        "MBOX": ("mbox", write_mbox),
        "ZIP": ("zip", write_zip),
        "PNG": ("png", paged.write_picture),
        "PDF, scanned": ("pdf", paged.write_scan),
    }


MAKERS = _makers()  # by the name of the format: ending and maker
