"""Makes the generated files of `src/rightsized/data/documents` from `dev/documents/sources`.

    python -m dev.documents.build

A source is named like the file it becomes, with `.md` or `.txt` added; a folder named `*.zip` becomes an archive.
Files that are text already (Markdown, HTML, text, CSV) stand in the data folder only. Equal sources give equal bytes
with the same versions of the writing libraries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from dev.documents import mails, pdf, scan, sheets, slides, word
from dev.documents.packages import packed

SOURCES = Path(__file__).parent / "sources"
DATA = Path(__file__).parents[2] / "src" / "rightsized" / "data" / "documents"
AUTHOR = "Quellmar Pumps GmbH"
_ATTACHED = "attached"  # sources of attachments: they become parts of mails, not files of their own
_WRITERS: dict[str, Callable[[str, str], bytes]] = {
    ".docx": word.write,
    ".pdf": pdf.write,
    ".png": scan.write,
    ".pptx": slides.write,
    ".xlsx": sheets.write,
}
_MAILS = {".eml": mails.eml, ".mbox": mails.mbox}


def built() -> Iterator[tuple[str, bytes]]:
    """(path in the data folder, content) of every generated file, sorted by path."""
    for place in sorted(SOURCES.glob("*/*")):
        if place.parent.name == _ATTACHED:
            continue
        folder = place.parent.name
        if place.is_dir():
            yield f"{folder}/{place.name}", packed(dict(_made(member) for member in sorted(place.iterdir())))
        else:
            name, data = _made(place)
            yield f"{folder}/{name}", data


def _made(source: Path) -> tuple[str, bytes]:
    """The name and content of what one source becomes; a source without a second suffix stays as it is."""
    name = source.stem
    suffix = Path(name).suffix
    if writer := _WRITERS.get(suffix):
        return name, writer(source.read_text("utf-8"), AUTHOR)
    if mail := _MAILS.get(suffix):
        return name, mail(source.read_text("utf-8"), _attachment)
    return source.name, source.read_bytes()


def _attachment(name: str) -> bytes:
    folder = SOURCES / _ATTACHED
    for place in sorted(folder.iterdir()):
        made, data = _made(place)
        if made == name:
            return data
    raise FileNotFoundError(f"{folder} holds no source of the attachment {name!r}.")


def main() -> None:
    """Writes every file whose content has changed."""
    for name, data in built():
        target = DATA / name
        if not target.is_file() or target.read_bytes() != data:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            print(f"{len(data):8} {name}")  # noqa: T201 - a command's output


if __name__ == "__main__":
    main()
