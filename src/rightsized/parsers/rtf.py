"""RTF 1.9: its text in paragraphs and rows. Pictures, styles and the codes of fields are left out."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import NamedTuple

from rightsized.core.errors import DocumentError
from rightsized.parsers.draft import Draft, squeezed
from rightsized.parsers.limits import LIMITS
from rightsized.parsers.types import Parsed

_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|[\r\n]+|([^\\{}\r\n]+)"
)
_WORDS = {"tab": "\t", "line": "\n", "emdash": "—", "endash": "–", "lquote": "‘", "rquote": "’", "ldblquote": "“"}
_WORDS |= {"rdblquote": "”", "bullet": "•", "emspace": " ", "enspace": " ", "qmspace": " ", "~": "\u00a0", "_": "-"}
_PASSED = frozenset(
    b"fonttbl colortbl stylesheet info pict object themedata datastore fldinst listtable listoverridetable rsidtbl"
    b" generator xmlnstbl latentstyles header footer headerl headerr footerl footerr filetbl nonshppict".split()
)
DEEPEST = 10_000  # groups inside each other


class _Group(NamedTuple):
    """What a group inherits: whether it is left out, and how many bytes stand for a character beyond its code page."""

    passed: bool = False
    skips: int = 1


def parse_rtf(path: Path, name: str) -> Parsed:
    """Read an RTF document. Raises DocumentError (`malformed`, `too-large`)."""
    if path.stat().st_size > 10 * LIMITS.get().characters:
        raise DocumentError(f"{name} is too large to be read.", reason="too-large")
    return _Reader(name).read(path.read_bytes())


class _Reader:
    def __init__(self, name: str) -> None:
        self._draft, self._name = Draft(name), name
        self._stack = [_Group()]
        self._pieces: list[str] = []
        self._bytes = bytearray()  # of one code page, until something else comes
        self._page = "cp1252"
        self._cells: list[str] = []
        self._skip = 0  # bytes that stand for the character before, for older readers

    def read(self, data: bytes) -> Parsed:
        opening = False  # a group was opened by the token before
        starred = False
        for match in _TOKEN.finditer(data):
            word, number, code, sign, brace, text = match.groups()
            if brace == b"{":
                if len(self._stack) > DEEPEST:
                    raise DocumentError(f"{self._name} nests deeper than can be read.")
                self._stack.append(self._stack[-1])
                opening, starred = True, False
                continue
            if brace:
                self._decode()
                if len(self._stack) > 1:
                    self._stack.pop()
            elif sign == b"*" and opening:
                starred = True
                continue
            elif word and opening and (starred or word in _PASSED):
                self._stack[-1] = self._stack[-1]._replace(passed=True)
            elif not self._stack[-1].passed:
                self._take(word, number, code, sign, text)
            opening = False
        self._decode()
        self._paragraph()
        return self._draft.finish()

    def _take(
        self, word: bytes | None, number: bytes | None, code: bytes | None, sign: bytes | None, text: bytes | None
    ) -> None:
        if text is not None:
            self._bytes += text[self._skip :]
            self._skip = max(0, self._skip - len(text))
        elif code is not None:
            if self._skip:
                self._skip -= 1
            else:
                self._bytes.append(int(code, 16))
        elif sign is not None:
            known = sign.decode("latin-1")
            self._write(_WORDS.get(known, known if known in "\\{}" else ""))
        elif word is not None:
            self._control(word.decode("ascii"), int(number) if number else None)

    def _control(self, word: str, number: int | None) -> None:
        if word == "u" and number is not None:
            value = number % 0x10000
            self._write(chr(value))
            self._skip = self._stack[-1].skips
        elif word == "uc" and number is not None:
            self._stack[-1] = self._stack[-1]._replace(skips=min(max(number, 0), 16))
        elif word == "ansicpg" and number is not None:
            self._page = _known(f"cp{number}") or self._page
        elif word in ("par", "sect", "page"):
            self._decode()
            self._paragraph()
        elif word == "cell":
            self._decode()
            self._cells.append("".join(self._pieces))
            self._pieces = []
        elif word == "row":
            self._decode()
            self._draft.row(self._cells)
            self._cells = []
        elif word in _WORDS:
            self._write(_WORDS[word])

    def _write(self, text: str) -> None:
        self._decode()
        self._pieces.append(text)

    def _decode(self) -> None:
        if self._bytes:
            self._pieces.append(self._bytes.decode(self._page, "replace"))
            self._bytes = bytearray()

    def _paragraph(self) -> None:
        if self._cells:  # a paragraph inside a cell
            self._pieces.append(" ")
            return
        words = "".join(self._pieces).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        self._draft.add("paragraph", squeezed(words.replace("\t", " ")))
        self._pieces = []


def _known(page: str) -> str:
    try:
        return codecs.lookup(page).name
    except LookupError:
        return ""
