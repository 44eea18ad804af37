"""PDF: boxes on the words, reading order, paragraphs across lines and pages, hyphens, headings, rotation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from parser_samples import limited, read, shown
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from rightsized.parsers.limits import Limits
from rightsized.parsers.pdf.document import pdf_date
from rightsized.parsers.types import Parsed

HEIGHT = A4[1]


def drawn(folder: Path, *pages: Callable[[Canvas], None]) -> Parsed:
    """A PDF of pages that are drawn by functions, read."""
    canvas = Canvas(str(folder / "a.pdf"), pagesize=A4)
    for page in pages:
        page(canvas)
        canvas.showPage()
    canvas.save()
    return read(folder / "a.pdf")


def lines(*texts: str, top: float = 100, left: float = 72, leading: float = 14) -> Callable[[Canvas], None]:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 11)
        for at, text in enumerate(texts):
            canvas.drawString(left, HEIGHT - top - leading * at, text)

    return draw


def test_boxes_are_on_the_words(tmp_path: Path) -> None:
    parsed = drawn(tmp_path, lines("The buyer pays the price", "within thirty days."))
    assert parsed.text == "The buyer pays the price within thirty days."
    first, second = parsed.lines
    assert parsed.text[first.start : first.end] == "The buyer pays the price"
    assert parsed.text[second.start : second.end] == "within thirty days."
    assert first.box.left == pytest.approx(72, abs=2)
    assert first.box.top < 100 < first.box.bottom  # the baseline
    assert second.box.top == pytest.approx(first.box.top + 14, abs=0.5)
    assert first.box.right == pytest.approx(72 + 122, abs=6)


def test_what_a_program_fills_in_is_no_metadata(tmp_path: Path) -> None:
    parsed = drawn(tmp_path, lines("The buyer pays the price."))  # reportlab: (anonymous), untitled, (unspecified)
    assert parsed.title == ""
    assert not {"author", "subject"} & {key for key, value in parsed.metadata.items() if value}

    def named(canvas: Canvas) -> None:
        canvas.setAuthor("Anna Berg")
        canvas.setTitle("Prices")
        canvas.setSubject("None of our prices rise")

    told = drawn(tmp_path, named)
    assert (told.title, told.metadata["author"]) == ("Prices", "Anna Berg")
    assert told.metadata["subject"] == "None of our prices rise"


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_boxes_of_a_rotated_page(tmp_path: Path, rotation: int) -> None:
    import pypdfium2

    drawn(tmp_path, lines("The buyer pays the price", "within thirty days."))
    document = pypdfium2.PdfDocument(tmp_path / "a.pdf")
    page = document[0]
    page.set_rotation(rotation)
    width, height = page.get_size()
    document.save(tmp_path / "turned.pdf")
    parsed = read(tmp_path / "turned.pdf")
    assert "The buyer pays the price" in parsed.text
    for line in parsed.lines:
        assert 0 <= line.box.left < line.box.right <= width
        assert 0 <= line.box.top < line.box.bottom <= height
    box = next(line.box for line in parsed.lines if line.start == parsed.text.index("The buyer"))
    corner = {90: (box.right > width * 0.8), 180: (box.bottom > height * 0.8), 270: (box.left < width * 0.2)}
    assert corner[rotation]


def test_words_cut_at_the_ends_of_lines(tmp_path: Path) -> None:
    parsed = drawn(
        tmp_path,
        lines(
            "The con-", "tract names a long-term price, and the long-",
            "term price is fixed. The parties to the con-", "tract may end it.",
        ),
    )  # fmt: skip
    first = "The contract names a long-term price, and the long-term price is fixed."
    assert parsed.text == f"{first} The parties to the contract may end it."
    for line in parsed.lines:
        assert not parsed.text[line.start : line.end].startswith(" ")


def test_a_paragraph_goes_on_over_the_page(tmp_path: Path) -> None:
    parsed = drawn(
        tmp_path,
        lines("The supplier shall deliver the goods to the place of business", "of the buyer and shall", top=750),
        lines("bear the cost of it.", "", "", "Another paragraph."),
    )
    first, second = parsed.blocks
    assert parsed.text[first.start : first.end].endswith("and shall bear the cost of it.")
    assert [line.box.page for line in parsed.lines] == [1, 1, 2, 2]
    assert (first.page, second.page) == (1, 2)


def test_two_columns_under_a_title(tmp_path: Path) -> None:
    left = [f"left column line number {at} of words" for at in range(8)]
    right = [f"right column line number {at} of words" for at in range(6)]

    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica-Bold", 18)
        canvas.drawString(72, HEIGHT - 60, "A title across both of the columns of this page")
        lines(*right, left=310)(canvas)  # written first: the file's order is no help
        lines(*left)(canvas)

    words = drawn(tmp_path, draw).text
    places = [words.index(line) for line in ("A title", *left, *right)]
    assert places == sorted(places)


def test_clauses_and_headings(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica-Bold", 16)
        canvas.drawString(72, HEIGHT - 72, "Supply agreement")
        canvas.setFont("Helvetica-Bold", 11)
        canvas.drawString(72, HEIGHT - 100, "12. Payment")
        lines(
            "12.1 The buyer pays within thirty days of the invoice, and the supplier",
            "sends the invoice to the buyer.",
            "12.2(a) Interest is due after that.",
            "(b) It is counted by the day.",
            top=120,
        )(canvas)

    parsed = drawn(tmp_path, draw)
    assert [(block.kind, block.number) for block in parsed.blocks] == [
        *(("heading", ""), ("heading", "12"), ("paragraph", "12.1"), ("paragraph", "12.2(a)"), ("paragraph", "(b)")),
    ]
    assert [block.level for block in parsed.blocks[:2]] == [1, 2]
    assert parsed.title == "Supply agreement"


def test_a_table_and_what_is_none(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 10)
        for at, row in enumerate((("Part", "Price", "Unit"), ("Bolt", "1.50", "EUR"), ("Long nut", "2.00", "EUR"))):
            for column, cell in enumerate(row):
                canvas.drawString(72 + 120 * column, HEIGHT - 100 - 15 * at, cell)
        for at, text in enumerate(("1.", "2.", "3.")):
            canvas.drawString(72, HEIGHT - 200 - 15 * at, text)
            canvas.drawString(110, HEIGHT - 200 - 15 * at, f"Clause {at} of the agreement.")

    parsed = drawn(tmp_path, draw)
    assert shown(parsed, "row") == ["Part\tPrice\tUnit", "Bolt\t1.50\tEUR", "Long nut\t2.00\tEUR"]
    assert [parsed.text[slice(*block.header)] for block in parsed.blocks[1:3]] == ["Part\tPrice\tUnit"] * 2
    assert [block.number for block in parsed.blocks[3:]] == ["1", "2", "3"]


def test_page_numbers_are_left_out(tmp_path: Path) -> None:
    def page(number: int) -> Callable[[Canvas], None]:
        def draw(canvas: Canvas) -> None:
            lines(f"The words of page {number} stand here alone.")(canvas)
            canvas.drawCentredString(300, 30, f"- {number} -")

        return draw

    parsed = drawn(tmp_path, *(page(number) for number in range(1, 6)))
    assert "- 3 -" not in parsed.text
    assert "The words of page 3 stand here alone." in parsed.text


def test_a_short_document_keeps_its_edges(tmp_path: Path) -> None:
    parsed = drawn(tmp_path, lines("Top line.", top=20), lines("Bottom line of 2026.", top=820))
    assert "Top line." in parsed.text
    assert "Bottom line of 2026." in parsed.text


def test_pages_beyond_the_limit(tmp_path: Path) -> None:
    with limited(Limits(pages=2)):
        parsed = drawn(tmp_path, *(lines(f"Words of page {'abc'[at]}.") for at in range(3)))
    assert "Words of page c." not in parsed.text
    assert parsed.pages == 3
    assert any("Pages 3 to 3 were left out" in note for note in parsed.notes)


def test_dates() -> None:
    assert pdf_date("D:20240131120000+01'00'") == 1706698800
    assert pdf_date("D:2024") == 1704067200
    assert pdf_date("D:20241399") is None
    assert pdf_date("yesterday") is None


def test_right_to_left(tmp_path: Path) -> None:
    """Hebrew as it is drawn: the last letter leftmost; the first column of a table at the right."""
    from matplotlib import get_data_path
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    pdfmetrics.registerFont(TTFont("DejaVu", str(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")))

    def draw(canvas: Canvas) -> None:
        canvas.setFont("DejaVu", 11)
        for at, text in enumerate(("הסכם זה נחתם בין הקונה למוכר", "ביום הראשון לינואר.")):
            canvas.drawRightString(520, HEIGHT - 100 - 14 * at, text[::-1])
        for at, row in enumerate((("מוצר", "מחיר", "יחידה"), ("בורג", "15", "אירו"), ("אום", "20", "אירו"))):
            for column, cell in enumerate(row):
                canvas.drawRightString(
                    520 - 120 * column, HEIGHT - 200 - 15 * at, cell if cell.isdigit() else cell[::-1]
                )

    parsed = drawn(tmp_path, draw)
    assert shown(parsed, "paragraph") == ["הסכם זה נחתם בין הקונה למוכר ביום הראשון לינואר."]
    assert shown(parsed, "row") == ["מוצר\tמחיר\tיחידה", "בורג\t15\tאירו", "אום\t20\tאירו"]


def test_wide_leading_is_no_row_of_paragraphs(tmp_path: Path) -> None:
    words = [f"line {at} of a text that is set with the leading of a draft and fills" for at in range(6)]
    assert len(drawn(tmp_path, lines(*words, leading=26)).blocks) == 1
