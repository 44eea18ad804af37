"""Documents that are broken or mean harm, each with the outcomes that are right: read, or refused for a reason.

`scale` 1 is what the tests use; the benchmark makes them as large as they are named.
"""

from __future__ import annotations

import io
import random
import zipfile
import zlib
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import NamedTuple

from benchmarks import documents, documents_paged

READ = "read"
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
Write = Callable[[Path, float], None]


class Hostile(NamedTuple):
    """`outcomes`: READ or reasons of a DocumentError, any of which is right. `holds`: words that must be read."""

    name: str
    ending: str
    write: Write
    outcomes: tuple[str, ...]
    holds: str = ""


def _source() -> documents.Source:
    return documents.invent(7, 2)


def _made(maker: Callable[[documents.Source, Path], None], ending: str, path: Path) -> bytes:
    """What a maker writes, as bytes."""
    other = path.with_name(f"whole.{ending}")
    maker(_source(), other)
    data = other.read_bytes()
    other.unlink()
    return data


def _truncated(maker: Callable[[documents.Source, Path], None], ending: str, share: float) -> Write:
    def write(path: Path, scale: float) -> None:
        data = _made(maker, ending, path)
        path.write_bytes(data[: int(len(data) * share)])

    return write


def _renamed(maker: Callable[[documents.Source, Path], None], ending: str) -> Write:
    def write(path: Path, scale: float) -> None:
        path.write_bytes(_made(maker, ending, path))

    return write


def _encrypted_pdf(user: str) -> Write:
    def write(path: Path, scale: float) -> None:
        from reportlab.lib.pdfencrypt import StandardEncryption
        from reportlab.pdfgen.canvas import Canvas

        canvas = Canvas(str(path), encrypt=StandardEncryption(user, ownerPassword="owner", strength=128))
        canvas.drawString(72, 700, "The penalty clause survives.")
        canvas.save()

    return write


def _bomb(path: Path, scale: float) -> None:
    """A ZIP of zeros: 10 GB at scale 100."""
    left = int(1e8 * scale)
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("zeros.txt", "w", force_zip64=True) as member,
    ):
        while left > 0:
            member.write(bytes(min(left, 1 << 20)))
            left -= 1 << 20


def _lying_bomb(path: Path, scale: float) -> None:
    """A ZIP that claims a member of 10 bytes and holds 50 MB and more of zeros."""
    data = zlib.compress(bytes(int(5e7 * max(1.0, scale / 10))), 9)[2:-4]
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"0123456789")
    whole = bytearray(plain.getvalue())
    start = 30 + len("a.txt")
    packed = int.from_bytes(whole[18:22], "little")
    lie = whole[:start] + data + whole[start + packed :]
    lie[18:22] = len(data).to_bytes(4, "little")
    entry = lie.rfind(b"PK\x01\x02")
    lie[entry + 20 : entry + 24] = len(data).to_bytes(4, "little")
    end = lie.rfind(b"PK\x05\x06")
    lie[end + 16 : end + 20] = entry.to_bytes(4, "little")
    path.write_bytes(bytes(lie))


def _overlapping(path: Path, scale: float) -> None:
    """Many names for the same packed bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", bytes(1_000_000))
        first = archive.infolist()[0]
        for number in range(50):
            again = zipfile.ZipInfo(f"{number}.txt")
            for name in ("header_offset", "CRC", "compress_size", "file_size", "compress_type"):
                setattr(again, name, getattr(first, name))
            archive.filelist.append(again)
    path.write_bytes(out.getvalue())


def _recursive_zip(path: Path, scale: float) -> None:
    """Archives in archives; each level is read, who asks for the next keeps count."""
    data = b"innermost"
    for depth in range(20):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr(f"{depth}.zip" if depth else "a.txt", data)
        data = out.getvalue()
    path.write_bytes(data)


def _paths(path: Path, scale: float) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("../../etc/passwd", "/absolute.txt", "C:\\windows\\x.txt", "a/./b/../c.txt", "con\x01trol.txt"):
            archive.writestr(name, "climbing")


def _many_members(path: Path, scale: float) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(int(3_000 * max(1.0, scale / 10))):
            archive.writestr(f"{number}.txt", "x")


def word_document(pieces: Iterator[bytes], path: Path, head: bytes = b"") -> None:
    """The least that is a DOCX around the elements of a body."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        with archive.open("word/document.xml", "w", force_zip64=True) as file:
            file.write(b'<?xml version="1.0"?>' + head + f'<w:document xmlns:w="{_WORD}"><w:body>'.encode())
            for piece in pieces:
                file.write(piece)
            file.write(b"</w:body></w:document>")


def _paragraph(words: str) -> bytes:
    return f"<w:p><w:r><w:t>{words}</w:t></w:r></w:p>".encode()


def long_document(path: Path, scale: float) -> None:
    """A DOCX of 1,000 pages at scale 1, of 100,000 at scale 100: 400 characters of words each."""
    rng = random.Random(3)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 10))) for _ in range(50_000)]

    def pages() -> Iterator[bytes]:
        for page in range(int(1_000 * scale)):
            yield _paragraph(f"Page {page}. " + " ".join(rng.choices(words, k=52)))
            yield b'<w:p><w:r><w:br w:type="page"/></w:r></w:p>'

    word_document(pages(), path)


def _laughs(path: Path, scale: float) -> None:
    """Entities that would grow to a billion words."""
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    head = f'<!DOCTYPE d [<!ENTITY l0 "laughing">{levels}]>'.encode()
    word_document(iter([_paragraph("before"), _paragraph("&l9;"), _paragraph("after")]), path, head)


def _external(path: Path, scale: float) -> None:
    """An entity that names a file of the machine."""
    head = b'<!DOCTYPE d [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    word_document(iter([_paragraph("before &f; after")]), path, head)


def _nested_tables(path: Path, scale: float) -> None:
    depth = int(60 * max(1.0, scale / 10))
    cell = b"<w:tbl><w:tr><w:tc>"
    word_document(iter([cell * depth, _paragraph("buried"), b"</w:tc></w:tr></w:tbl>" * depth]), path)


def _laughing_sheet(path: Path, scale: float) -> None:
    """A workbook whose shared strings are an entity bomb."""
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    other = path.with_name("whole.xlsx")
    documents.write_xlsx(_source(), other)
    with zipfile.ZipFile(other) as source, zipfile.ZipFile(path, "w") as archive:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith("sharedStrings.xml"):
                at = data.index(b"<sst")
                data = f'<!DOCTYPE d [<!ENTITY l0 "laughing">{levels}]>'.encode() + data[at:].replace(
                    b"<t>", b"<t>&l9;", 1
                )
            archive.writestr(name, data)
    other.unlink()


def _nested_html(path: Path, scale: float) -> None:
    depth = int(20_000 * max(1.0, scale / 10))
    path.write_bytes(b"<!doctype html><html><body>" + b"<div>" * depth + b"buried" + b"</div>" * depth)


def _tables_in_html(path: Path, scale: float) -> None:
    depth = int(300 * scale)
    path.write_bytes(b"<html><body>" + b"<table><tr><td>" * depth + b"buried" + b"</td></tr></table>" * depth)


def _mail(path: Path, scale: float) -> None:
    """A mail with 1,000 attachments."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.com", "b@example.com", "Many"
    message["Date"] = "Fri, 27 Nov 2026 10:00:00 +0100"
    message.set_content("Find a thousand attached.")
    for number in range(1_000):
        message.add_attachment(f"part {number}", filename=f"{number}.txt")
    path.write_bytes(message.as_bytes())


def _deep_mail(path: Path, scale: float) -> None:
    """1,000 multiparts, each inside the one before."""
    lines = ["From: a@example.com", "To: b@example.com", "Subject: Deep", "Date: Fri, 27 Nov 2026 10:00:00 +0100"]
    for depth in range(1_000):
        lines += [f'Content-Type: multipart/mixed; boundary="b{depth}"', "", f"--b{depth}"]
    lines += ["Content-Type: text/plain", "", "buried"]
    path.write_text("\n".join(lines) + "\n")


def _long_line(path: Path, scale: float) -> None:
    """A CSV of one line: 500 kB at scale 1, 50 MB at scale 100."""
    path.write_bytes(b"name,value\n" + b"word," * int(100_000 * scale) + b"\n")


def _quoted_line(path: Path, scale: float) -> None:
    """A quote that nothing closes."""
    path.write_bytes(b'name,value\nfirst,"open ' + b"word, " * int(80_000 * scale))


def _noise(path: Path, scale: float) -> None:
    path.write_bytes(random.Random(5).randbytes(int(100_000 * scale)))


def _empty(path: Path, scale: float) -> None:
    path.touch()


def _nul_bytes(path: Path, scale: float) -> None:
    path.write_bytes(b"The penalty\x00clause survives.\n" * 20)


def _texts(words: str, encoding: str) -> Write:
    def write(path: Path, scale: float) -> None:
        path.write_bytes((f"{words}\n" * 12).encode(encoding))

    return write


def _looping_pdf(path: Path, scale: float) -> None:
    """A tree of pages that holds itself."""
    path.write_bytes(
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[2 0 R 2 0 R]/Count 1000000>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
    )


def _large_picture(path: Path, scale: float) -> None:
    """A PNG of 60,000 by 60,000 pixels that nobody drew."""
    head = (60_000).to_bytes(4, "big") * 2 + bytes((8, 0, 0, 0, 0))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def _protected_office(path: Path, scale: float) -> None:
    """What Office writes under a password: an OLE container with an encrypted package."""
    data = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + "EncryptedPackage".encode("utf-16-le") + bytes(2_000)
    path.write_bytes(data)


HEBREW = "הסכם זה נחתם בין הקונה למוכר ביום הראשון לינואר"
ARABIC = "يلتزم المورد بتسليم البضائع في غضون ثلاثين يوما"
CHINESE = "本合同自双方签字之日起生效，供应商应在三十日内交付货物。任何一方均可以书面形式终止本合同。"
JAPANESE = "本契約は両当事者の署名の日から効力を生じ、供給者は三十日以内に商品を引き渡すものとする。"
KOREAN = "본 계약은 양 당사자가 서명한 날부터 효력이 발생하며 공급자는 삼십일 이내에 물품을 인도한다."
TAIWANESE = "本契約自雙方簽字之日起生效，供應商應於三十日內交付貨物。"
FRENCH = "L’acheteur paie à réception, délai compris."
RUSSIAN = "Настоящий договор вступает в силу со дня подписания его обеими сторонами."

TABLE: tuple[Hostile, ...] = (
    Hostile("PDF cut in the middle", "pdf", _truncated(documents_paged.write_pdf, "pdf", 0.5), (READ, "truncated")),
    Hostile("PDF cut after 100 bytes", "pdf", _truncated(documents_paged.write_pdf, "pdf", 0.01), ("truncated",)),
    Hostile("PDF under a password", "pdf", _encrypted_pdf("secret"), ("encrypted",)),
    Hostile("PDF under an empty password", "pdf", _encrypted_pdf(""), (READ,), "penalty clause"),
    Hostile("PDF whose pages hold themselves", "pdf", _looping_pdf, (READ, "malformed", "empty", "truncated")),
    Hostile("ZIP bomb, 10 GB", "zip", _bomb, ("bomb",)),
    Hostile("ZIP that lies about its sizes", "zip", _lying_bomb, ("bomb", READ)),
    Hostile("ZIP whose members overlap", "zip", _overlapping, ("bomb",)),
    Hostile("ZIP in a ZIP, 20 deep", "zip", _recursive_zip, (READ,)),
    Hostile("ZIP with paths that climb", "zip", _paths, (READ,)),
    Hostile("ZIP of 3,000 members and more", "zip", _many_members, ("too-large",)),
    Hostile("DOCX of 100,000 pages", "docx", long_document, (READ, "too-large", "memory", "timeout")),
    Hostile("DOCX with a bomb of entities", "docx", _laughs, (READ, "malformed"), "before"),
    Hostile("DOCX that names a file of the machine", "docx", _external, (READ, "malformed")),
    Hostile("DOCX with tables in tables", "docx", _nested_tables, (READ, "malformed")),
    Hostile("DOCX cut in the middle", "docx", _truncated(documents.write_docx, "docx", 0.5), ("truncated",)),
    Hostile("DOCX under a password", "docx", _protected_office, ("encrypted",)),
    Hostile("XLSX with a bomb of entities", "xlsx", _laughing_sheet, (READ, "malformed", "memory", "timeout")),
    Hostile("XLSX cut in the middle", "xlsx", _truncated(documents.write_xlsx, "xlsx", 0.5), ("truncated",)),
    Hostile("PPTX cut in the middle", "pptx", _truncated(documents.write_pptx, "pptx", 0.5), ("truncated",)),
    Hostile("HTML, 20,000 elements deep and more", "html", _nested_html, (READ, "malformed", "timeout", "memory")),
    Hostile("HTML, tables in tables", "html", _tables_in_html, (READ,), "buried"),
    Hostile("mail with 1,000 attachments", "eml", _mail, (READ,), "thousand"),
    Hostile("mail, 1,000 multiparts deep", "eml", _deep_mail, (READ, "malformed")),
    Hostile("CSV with a line of 50 MB", "csv", _long_line, (READ, "too-large")),
    Hostile("CSV with a quote left open", "csv", _quoted_line, (READ, "too-large")),
    Hostile("random bytes named .pdf", "pdf", _noise, ("unsupported",)),
    Hostile("random bytes named .txt", "txt", _noise, ("unsupported",)),
    Hostile("text with NUL bytes", "txt", _nul_bytes, (READ,), "clause survives"),
    Hostile("empty file", "docx", _empty, ("empty",)),
    Hostile("PDF named .txt", "txt", _renamed(documents_paged.write_pdf, "pdf"), (READ,)),
    Hostile("DOCX named .pdf", "pdf", _renamed(documents.write_docx, "docx"), (READ,)),
    Hostile("HTML named .doc", "doc", _renamed(documents.write_html, "html"), (READ,)),
    Hostile("XLSX named .csv", "csv", _renamed(documents.write_xlsx, "xlsx"), (READ,)),
    Hostile("mail named .txt", "txt", _renamed(documents.write_mail, "eml"), (READ,)),
    Hostile("text named .docx", "docx", _renamed(documents.write_text, "txt"), (READ,)),
    Hostile("picture of 3,600 million pixels", "png", _large_picture, ("bomb", "unsupported")),
    Hostile("Hebrew, Windows-1255", "txt", _texts(HEBREW, "cp1255"), (READ,), HEBREW),
    Hostile("Hebrew, UTF-8", "txt", _texts(HEBREW, "utf-8"), (READ,), HEBREW),
    Hostile("Arabic, UTF-16", "txt", _texts(ARABIC, "utf-16"), (READ,), ARABIC),
    Hostile("Chinese, GB 18030", "txt", _texts(CHINESE, "gb18030"), (READ,), CHINESE),
    Hostile(
        "Chinese, Big5",
        "txt",
        _texts("本契約自雙方簽字之日起生效，供應商應於三十日內交付貨物。", "big5"),
        (READ,),
        "供應商",
    ),
    Hostile("Japanese, Shift JIS", "txt", _texts(JAPANESE, "shift_jis"), (READ,), JAPANESE),
    Hostile("Japanese, EUC-JP", "txt", _texts(JAPANESE, "euc_jp"), (READ,), JAPANESE),
    Hostile("Korean, EUC-KR", "txt", _texts(KOREAN, "euc_kr"), (READ,), KOREAN),
    Hostile("Russian, Windows-1251", "txt", _texts(RUSSIAN, "cp1251"), (READ,), RUSSIAN),
    Hostile(
        "French, Windows-1252", "txt", _texts("L’acheteur paie à réception, délai compris.", "cp1252"), (READ,), "délai"
    ),
)
