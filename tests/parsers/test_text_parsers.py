"""Plain text, Markdown, HTML, CSV and spreadsheets: structure on small documents that a person can check."""

from __future__ import annotations

import datetime
import zipfile
from pathlib import Path

import openpyxl
import pytest
from parser_samples import limited, read, shown, words

from rightsized.core.errors import DocumentError
from rightsized.parsers.html import html_parsed
from rightsized.parsers.limits import Limits
from rightsized.parsers.types import Parsed


def written(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Parsed:
    (folder / name).write_bytes(text.encode(encoding))
    return read(folder / name)


def outline(parsed: Parsed) -> list[tuple[str, int, str, str]]:
    return [(block.kind, block.level, block.number, words(parsed, block)) for block in parsed.blocks]


TEXT = """LEAVE POLICY

1. Entitlement
Staff have thirty days.
2. Requests
Leave is asked for in writing,
two weeks before.

Exceptions
----------

  - illness
  - births, and
    deaths

(a) The manager decides.
(b) The director is told.
"""


def test_text(tmp_path: Path) -> None:
    parsed = written(tmp_path, "a.txt", TEXT)
    assert parsed.text == TEXT
    assert parsed.title == "LEAVE POLICY"
    assert outline(parsed) == [
        ("heading", 1, "", "LEAVE POLICY"),
        ("paragraph", 0, "1", "1. Entitlement\nStaff have thirty days."),
        ("paragraph", 0, "2", "2. Requests\nLeave is asked for in writing,\ntwo weeks before."),
        ("heading", 1, "", "Exceptions"),
        ("item", 2, "", "illness"),
        ("item", 2, "", "births, and\n    deaths"),
        ("paragraph", 0, "(a)", "(a) The manager decides."),
        ("paragraph", 0, "(b)", "(b) The director is told."),
    ]


def test_offsets_in_windows_lines_and_encodings(tmp_path: Path) -> None:
    parsed = written(tmp_path, "a.txt", "Überschrift\r\n\r\nGrüße aus Köln.\r\n", "cp1252")
    assert outline(parsed)[-1] == ("paragraph", 0, "", "Grüße aus Köln.")
    assert parsed.metadata == {"encoding": "cp1252"}


def test_bytes_that_are_no_text_are_noted(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("Grüße ".encode() * 50 + b"\xff\n")
    parsed = read(tmp_path / "a.txt")
    assert parsed.text.endswith("Grüße \ufffd\n")
    assert parsed.notes


MARKDOWN = """---
title: "Handbook"
author: Anna
---

# Leave #

Some *text* with a
second line.

Carried over
============

1. first
2. second
   continued
* [ ] open

> Quoted words

| Part | Price |
|------|------:|
| Bolt | 1.50  |

```python
# no heading
x = 1
```

***

    indented code
"""


def test_markdown(tmp_path: Path) -> None:
    parsed = written(tmp_path, "a.md", MARKDOWN)
    assert parsed.text == MARKDOWN
    assert (parsed.title, parsed.metadata["author"]) == ("Handbook", "Anna")
    assert outline(parsed) == [
        ("heading", 1, "", "Leave"),
        ("paragraph", 0, "", "Some *text* with a\nsecond line."),
        ("heading", 1, "", "Carried over"),
        ("item", 1, "1", "first"),
        ("item", 1, "2", "second\n   continued"),
        ("item", 1, "", "open"),
        ("quote", 0, "", "Quoted words"),
        ("row", 0, "", "| Part | Price |"),
        ("row", 0, "", "| Bolt | 1.50  |"),
        ("code", 0, "", "```python\n# no heading\nx = 1\n```"),
        ("code", 0, "", "    indented code"),
    ]
    assert parsed.text[slice(*parsed.blocks[8].header)] == "| Part | Price |"


HTML = """<html lang="de"><head><title>Leave &amp; travel</title><meta name=author content="Anna">
<meta property="article:modified_time" content="2026-01-02T03:04:05Z"></head>
<body><nav>Menu <a>Home</a></nav><script>var x = "<p>no</p>"</script><div style="display: none">hidden</div>
<h2>2. Leave<br>rules</h2>loose <b>wo</b>rds<p>A  paragraph\nwith <a href=x>a link</a>.</p>
<ol start=3 type=a><li>third<ul><li>inner</li></ul></li><li>fourth</ol>
<pre>  code
    kept</pre><blockquote><p>quoted</p></blockquote>
<table><caption>Prices</caption><thead><tr><th>Part<th>Price</thead>
<tr><td>Bolt<td>1 <p>and</p><p>half</p><tr><td><td>2</table>
<table><tr><td>laid out<table><tr><td>inner<td>table</tr></table></td></tr></table>
<p hidden>unseen</p><img alt="A seal"></body></html>"""


def test_html() -> None:
    parsed = html_parsed(HTML, "a.html")
    assert (parsed.title, parsed.metadata) == ("Leave & travel", {"author": "Anna", "language": "de"})
    assert parsed.date == datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC).timestamp()
    assert outline(parsed) == [
        ("heading", 2, "2", "2. Leave\nrules"),
        ("paragraph", 0, "", "loose words"),
        ("paragraph", 0, "", "A paragraph with a link."),
        ("item", 1, "c", "c. third"),
        ("item", 2, "", "inner"),
        ("item", 1, "d", "d. fourth"),
        ("code", 0, "", "  code\n    kept"),
        ("quote", 0, "", "quoted"),
        ("paragraph", 0, "", "Prices"),
        ("row", 0, "", "Part\tPrice"),
        ("row", 0, "", "Bolt\t1 and half"),
        ("row", 0, "", "\t2"),
        ("paragraph", 0, "", "laid out"),
        ("row", 0, "", "inner\ttable"),
        ("paragraph", 0, "", "A seal"),
    ]
    assert {parsed.text[slice(*block.header)] for block in parsed.blocks[10:12]} == {"Part\tPrice"}


@pytest.mark.parametrize("encoding", ["cp1251", "shift_jis", "utf-8"])
def test_html_says_its_encoding(encoding: str, tmp_path: Path) -> None:
    text = {"cp1251": "договор", "shift_jis": "契約", "utf-8": "契約"}[encoding]
    source = f'<html><head><meta charset="{encoding}"></head><body><p>{text}</p>'
    assert written(tmp_path, "a.html", source, encoding).text == text


def test_csv(tmp_path: Path) -> None:
    parsed = written(tmp_path, "staff.csv", 'name;age;town\n"Anna; B.";30;"Bad\nTölz"\nBert;;Ulm\n', "cp1252")
    assert parsed.title == "staff"
    assert shown(parsed, "row") == ["name\tage\ttown", "Anna; B.\t30\tBad Tölz", "Bert\t\tUlm"]
    assert [block.header for block in parsed.blocks] == [(0, 0), (0, 13), (0, 13)]


def test_csv_without_names_of_columns(tmp_path: Path) -> None:
    parsed = written(tmp_path, "a.csv", "1,2\n3,4\n")
    assert [block.header for block in parsed.blocks] == [(0, 0), (0, 0)]


def test_xlsx(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "Prices"
    for row in (
        ["Prices of May"],
        [],
        ["Part", "Price", "Since", "Sold"],
        ["Bolt", 1.5, datetime.date(2026, 1, 2), True],
        ["Nut", 2.0, None, False],
    ):
        sheet.append(row)
    workbook.create_sheet("Staff").append(["Anna", "Bert"])
    workbook.save(tmp_path / "a.xlsx")
    parsed = read(tmp_path / "a.xlsx")
    assert [(block.kind, block.page, words(parsed, block)) for block in parsed.blocks] == [
        ("heading", 1, "Prices"),
        ("row", 1, "Prices of May"),
        ("row", 1, "Part\tPrice\tSince\tSold"),
        ("row", 1, "Bolt\t1.5\t2026-01-02\tTRUE"),
        ("row", 1, "Nut\t2\t\tFALSE"),
        ("heading", 2, "Staff"),
        ("row", 2, "Anna\tBert"),
    ]
    assert parsed.text[slice(*parsed.blocks[3].header)] == "Part\tPrice\tSince\tSold"
    assert (parsed.pages, parsed.metadata["sheets"]) == (2, "Prices, Staff")


def test_too_much_text(tmp_path: Path) -> None:
    with limited(Limits(characters=100)), pytest.raises(DocumentError, match="100 characters"):
        written(tmp_path, "a.txt", "x" * 500)


RTF = rb"""{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\*\generator Editor;}{\info{\title Lease}}\b 1. Rent\b0\par
The tenant pays \'a3 500 \u8364? monthly{\*\hidden no}, \{net\}.\par
\trowd A\cell two\par lines\cell\row C\cell D\cell\row\pard {\field{\*\fldinst PAGE}{\fldrslt 7}} End}"""


def test_rtf(tmp_path: Path) -> None:
    (tmp_path / "a.doc").write_bytes(RTF)
    parsed = read(tmp_path / "a.doc")
    assert outline(parsed)[:2] == [
        ("paragraph", 0, "1", "1. Rent"),
        ("paragraph", 0, "", "The tenant pays £ 500 € monthly, {net}."),
    ]
    assert shown(parsed, "row") == ["A\ttwo lines", "C\tD"]
    assert shown(parsed, "paragraph")[-1] == "7 End"


def test_xml(tmp_path: Path) -> None:
    clause = '<clause n="1">Rent is <b>due<!-- no --></b> now.</clause>'
    source = f'<?xml version="1.0"?><lease>{clause}<!-- no --><part><a>Second.</a></part></lease>'
    parsed = written(tmp_path, "a.xml", source)
    assert shown(parsed, "paragraph") == ["Rent is due now.", "Second."]


ODT = """<?xml version="1.0"?>
<document-content xmlns="urn:office" xmlns:t="urn:text" xmlns:b="urn:table"><body>
<t:tracked-changes><t:p>deleted</t:p></t:tracked-changes>
<t:h t:outline-level="2">Prices</t:h>
<t:p>Two<t:s/>words<t:line-break/>and a <t:span>third</t:span>.</t:p>
<t:list><t:list-item><t:p>outer</t:p>
  <t:list><t:list-item><t:p>inner</t:p></t:list-item></t:list></t:list-item></t:list>
<b:table><b:table-header-rows><b:table-row>
  <b:table-cell><t:p>Part</t:p></b:table-cell><b:table-cell><t:p>Price</t:p></b:table-cell></b:table-row>
</b:table-header-rows><b:table-row>
  <b:table-cell><t:p>Bolt</t:p></b:table-cell><b:table-cell><t:p>1</t:p></b:table-cell>
</b:table-row></b:table></body></document-content>"""


def test_odt(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.odt", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        archive.writestr("content.xml", ODT)
        archive.writestr(
            "meta.xml", '<meta xmlns:d="urn:dc"><d:title>Lease</d:title><d:creator>Anna</d:creator></meta>'
        )
    parsed = read(tmp_path / "a.odt")
    assert (parsed.title, parsed.metadata["author"]) == ("Lease", "Anna")
    assert outline(parsed) == [
        ("heading", 2, "", "Prices"),
        ("paragraph", 0, "", "Two words\nand a third."),
        ("item", 1, "", "outer"),
        ("item", 2, "", "inner"),
        ("row", 0, "", "Part\tPrice"),
        ("row", 0, "", "Bolt\t1"),
    ]
    assert parsed.text[slice(*parsed.blocks[-1].header)] == "Part\tPrice"
