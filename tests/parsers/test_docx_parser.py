"""DOCX: numbers as displayed, notes behind their paragraphs, tables, what was deleted left out."""

from __future__ import annotations

import zipfile
from pathlib import Path

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import qn
from parser_samples import limited, read, shown

from benchmarks.documents_hostile import word_document
from rightsized.core.errors import DocumentError
from rightsized.parsers.limits import Limits

SPACE = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
LEGAL = f"""
<w:abstractNum {SPACE} w:abstractNumId="90">
  <w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>
  <w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1.%2"/></w:lvl>
  <w:lvl w:ilvl="2"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="(%3)"/></w:lvl>
  <w:lvl w:ilvl="3"><w:start w:val="4"/><w:numFmt w:val="upperRoman"/><w:lvlText w:val="Annex %4"/></w:lvl>
</w:abstractNum>"""


def numbered(document: docx.document.Document, levels: list[int]) -> None:
    """Paragraphs of one legal list, at these levels."""
    numbering = document.part.numbering_part.element
    numbering.insert(0, parse_xml(LEGAL))
    numbering.append(parse_xml(f'<w:num {SPACE} w:numId="91"><w:abstractNumId w:val="90"/></w:num>'))
    for at, level in enumerate(levels):
        properties = document.add_paragraph(f"clause {at}")._p.get_or_add_pPr()
        properties.append(parse_xml(f'<w:numPr {SPACE}><w:ilvl w:val="{level}"/><w:numId w:val="91"/></w:numPr>'))


def said(words: str) -> str:
    """A paragraph."""
    return f"<w:p><w:r><w:t>{words}</w:t></w:r></w:p>"


def test_legal_numbers(tmp_path: Path) -> None:
    document = docx.Document()
    numbered(document, [0, 1, 1, 2, 2, 1, 0, 1, 2, 3])
    document.save(str(tmp_path / "a.docx"))
    parsed = read(tmp_path / "a.docx")
    numbers = ["1", "1.1", "1.2", "(a)", "(b)", "1.3", "2", "2.1", "(a)", "Annex IV"]
    assert [block.number for block in parsed.blocks] == numbers
    assert shown(parsed, "item")[:4] == ["1. clause 0", "1.1 clause 1", "1.2 clause 2", "(a) clause 3"]
    assert [block.level for block in parsed.blocks][:4] == [1, 2, 2, 3]


def test_written_numbers_and_styles(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("Supply agreement", 0)
    document.add_heading("Section 2.1 Prices", 2)
    document.add_paragraph("12.3(a) The buyer pays.")
    document.add_paragraph("To be, or not to be.", style="Intense Quote")
    document.save(str(tmp_path / "a.docx"))
    parsed = read(tmp_path / "a.docx")
    assert parsed.title == "Supply agreement"
    found = [(block.kind, block.level, block.number) for block in parsed.blocks]
    assert found == [("heading", 1, ""), ("heading", 2, "Section 2.1"), ("paragraph", 0, "12.3(a)"), ("quote", 0, "")]


def test_tables(tmp_path: Path) -> None:
    document = docx.Document()
    table = document.add_table(rows=3, cols=3)
    for at, text in enumerate(("Part", "Price", "Unit", "Bolt", "", "EUR", "Nut", "4", "EUR")):
        table.cell(at // 3, at % 3).text = text
    box = document.add_table(rows=1, cols=1)
    box.cell(0, 0).text = "A box of one cell is no table."
    document.save(str(tmp_path / "a.docx"))
    parsed = read(tmp_path / "a.docx")
    assert shown(parsed, "row") == ["Part\tPrice\tUnit", "Bolt\t\tEUR", "Nut\t4\tEUR"]
    assert [parsed.text[slice(*block.header)] for block in parsed.blocks[1:3]] == ["Part\tPrice\tUnit"] * 2
    assert shown(parsed, "paragraph") == ["A box of one cell is no table."]


def test_changes_boxes_and_fields(tmp_path: Path) -> None:
    body = b"""
      <w:p><w:r><w:t>kept</w:t></w:r><w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>
        <w:ins><w:r><w:t xml:space="preserve"> added</w:t></w:r></w:ins>
        <w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom>
        <w:r><w:instrText>PAGE</w:instrText></w:r><w:r><w:tab/><w:t>non</w:t><w:noBreakHyphen/><w:t>stop</w:t></w:r></w:p>
      <w:p><w:r><alternate><Choice><w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent></Choice>
        <Fallback><w:p><w:r><w:t>boxed</w:t></w:r></w:p></Fallback></alternate></w:r></w:p>"""
    word_document(iter([body]), tmp_path / "a.docx")
    assert shown(read(tmp_path / "a.docx"), "paragraph") == ["kept added non-stop", "boxed"]


def test_notes_headers_and_comments(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_paragraph("The price is fixed.")
    document.add_paragraph("It is due.")
    document.sections[0].header.paragraphs[0].text = "Draft of May"
    document.save(str(tmp_path / "plain.docx"))
    note = f'<w:footnotes {SPACE}><w:footnote w:id="2">{said("In euros.")}</w:footnote></w:footnotes>'
    comment = f'<w:comments {SPACE}><w:comment w:author="Anna">{said("Too low")}</w:comment></w:comments>'
    with zipfile.ZipFile(tmp_path / "plain.docx") as source, zipfile.ZipFile(tmp_path / "a.docx", "w") as archive:
        for name in source.namelist():
            data = source.read(name)
            if name == "word/document.xml":
                data = data.replace(b"fixed.</w:t>", b'fixed.</w:t><w:footnoteReference w:id="2"/>')
            if name not in ("word/footnotes.xml", "word/comments.xml"):
                archive.writestr(name, data)
        archive.writestr("word/footnotes.xml", note)
        archive.writestr("word/comments.xml", comment)
    parsed = read(tmp_path / "a.docx")
    assert shown(parsed, "paragraph") == [
        *("The price is fixed.", "In euros.", "It is due.", "Draft of May", "Comment by Anna: Too low"),
    ]


def test_properties(tmp_path: Path) -> None:
    document = docx.Document()
    document.core_properties.title, document.core_properties.author = "Lease", "Anna"
    document.add_paragraph("Rent is due.")
    document.save(str(tmp_path / "a.docx"))
    parsed = read(tmp_path / "a.docx")
    assert (parsed.title, parsed.metadata["author"]) == ("Lease", "Anna")
    assert parsed.date is not None


def test_hidden_styles_do_not_loop(tmp_path: Path) -> None:
    document = docx.Document()
    for name, based in (("One", "Two"), ("Two", "One")):
        document.styles.element.append(
            parse_xml(
                f'<w:style {SPACE} w:type="paragraph" w:styleId="{name}"><w:name w:val="{name}"/>'
                f'<w:basedOn w:val="{based}"/></w:style>'
            )
        )
    document.add_paragraph("Styles in a circle.").style = document.styles["One"]
    document.save(str(tmp_path / "a.docx"))
    assert read(tmp_path / "a.docx").text == "Styles in a circle."
    assert document.paragraphs[0]._p.pPr.find(qn("w:pStyle")) is not None


def test_limits(tmp_path: Path) -> None:
    document = docx.Document()
    for _ in range(50):
        document.add_paragraph("twelve characters and more")
    document.save(str(tmp_path / "a.docx"))
    with limited(Limits(characters=1000)), pytest.raises(DocumentError, match="1,000 characters"):
        read(tmp_path / "a.docx")
