"""Reads a DOCX: the body in its order, the notes behind the paragraphs that refer to them, headers and comments last.

The main document is never held whole; memory is that of the text and of the longest table row.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rightsized.core.errors import DocumentError
from rightsized.parsers.docx.body import Body
from rightsized.parsers.docx.numbering import Numbering
from rightsized.parsers.docx.paragraphs import words_of
from rightsized.parsers.docx.styles import Styles
from rightsized.parsers.draft import Draft, single_line
from rightsized.parsers.ooxml import Package, attribute, local, opened
from rightsized.parsers.types import Parsed

_MAIN = "word/document.xml"
_NOTES = (("footnote", "word/footnotes.xml"), ("endnote", "word/endnotes.xml"))


def parse_docx(path: Path, name: str) -> Parsed:
    """Read a Word document. Raises DocumentError (`encrypted`, `truncated`, `malformed`, `bomb`, `too-large`)."""
    draft = Draft(name)
    with opened(path, name) as package:
        main = _main(package, name)
        notes = {(kind, key): text for kind, member in _NOTES for key, text in _notes(package, kind, member)}
        body = Body(draft, Styles(package), Numbering(package), notes)
        body.read(package.events(main, ("start", "end")))
        for text in dict.fromkeys(_margins(package)):
            draft.add("paragraph", text, number="")
        for text in _comments(package):
            draft.add("paragraph", text, number="")
        title, date, metadata = package.properties()
    return draft.finish(title=title or body.title, date=date, metadata=metadata)


def _main(package: Package, name: str) -> str:
    """The main document's member, by the package's relations: some writers name it document2.xml."""
    if _MAIN in package:
        return _MAIN
    found = [one for one in package.names("word/document") if one.endswith(".xml")]
    if not found:
        raise DocumentError(f"{name} has no main document.")
    return found[0]


def _notes(package: Package, kind: str, member: str) -> Iterator[tuple[str, str]]:
    root = package.tree(member)
    for note in root if root is not None else ():
        if local(note) == kind and attribute(note, "type") in ("", "normal"):
            yield attribute(note, "id"), single_line(words_of(note))


def _margins(package: Package) -> Iterator[str]:
    """What stands above and below the pages."""
    for prefix in ("word/header", "word/footer"):
        for member in package.names(prefix):
            root = package.tree(member)
            if root is not None and (words := _lines(root)):
                yield words


def _lines(root: Any) -> str:
    texts = (single_line(words_of(one)) for one in root.iter() if local(one) == "p")
    return "\n".join(text for text in texts if text and not text.isdecimal())


def _comments(package: Package) -> Iterator[str]:
    root = package.tree("word/comments.xml")
    for comment in root if root is not None else ():
        if local(comment) == "comment" and (words := _lines(comment)):
            yield f"Comment by {attribute(comment, 'author', 'somebody')}: {words}"
