"""Bytes to text where nobody says in which encoding they are.

Order: a byte order mark, UTF-8, UTF-16 without a mark, the multibyte encodings of Chinese, Japanese and Korean where
the frequencies of their characters tell, Cyrillic, and Windows-1252 for what is left. NUL characters become blanks.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from typing import NamedTuple

SAMPLE_BYTES = 1 << 16
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_HIGH_RUN = re.compile(rb"[\x80-\xff]+")
_MOST_CONTROLS = 0.05  # share of a text's bytes: some hold stray ones, of random bytes they are a tenth
_ISOLATED = 0.5  # share of high bytes that stand alone, from which a text is of single bytes
_LEAST_LIKELY = 0.75  # share of characters in the encoding's frequent range, for it to be taken
_KOREAN_LEAD, _KOREAN_PAIRS = 0xC8, 8


class Decoded(NamedTuple):
    """`lossy`: some bytes were none of the encoding's and stand as U+FFFD."""

    text: str
    encoding: str
    lossy: bool


def is_text(head: bytes) -> bool:
    """Whether bytes from the beginning of a file look like text in some encoding."""
    if any(head.startswith(mark) for mark, _ in _MARKS) or _wide(head):
        return True
    return len(_CONTROLS.findall(head)) <= len(head) * _MOST_CONTROLS


def decode(data: bytes, declared: str = "") -> Decoded:
    """The text of `data`, without a byte order mark. `declared` is what it says of itself, and may be wrong."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decoded(data[len(mark) :], encoding)
    for encoding in filter(None, (_known(declared), "utf-8", _wide(data[:SAMPLE_BYTES]))):
        try:
            return Decoded(clean(data.decode(encoding)), encoding, False)
        except UnicodeDecodeError:
            continue
    if _nearly_utf8(data):
        return _decoded(data, "utf-8")
    return _decoded(data, guess(data[:SAMPLE_BYTES]))


def guess(sample: bytes) -> str:
    """The likeliest encoding of bytes that are not UTF-8."""
    runs = _HIGH_RUN.findall(sample)
    high = sum(map(len, runs))
    alone = sum(1 for run in runs if len(run) == 1)
    if not high or alone > high * _ISOLATED:
        return "cp1252"
    likely = [(_likelihood(sample, encoding), encoding) for encoding in _MULTIBYTE]
    best, encoding = max(likely)
    if best >= _LEAST_LIKELY:
        return encoding
    return _one_byte(b"".join(runs), high > 3 * len(runs))


def _one_byte(high: bytes, in_words: bool) -> str:
    """Which encoding of single bytes: Hebrew has no capitals and uses none of the last bytes, Cyrillic both."""
    letters = sum(1 for byte in high if byte >= 0xE0)
    if not in_words or letters <= 0.6 * len(high):
        return "cp1252"
    hebrew = sum(1 for byte in high if 0xE0 <= byte <= 0xFA)
    return "cp1255" if hebrew >= 0.99 * len(high) and len(high) >= 40 else "cp1251"


def clean(text: str) -> str:
    """With blanks for NUL characters, which no database keeps, and U+FFFD for halves of surrogate pairs."""
    text = text.replace("\x00", " ")
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


_SURROGATES = re.compile("[\ud800-\udfff]")


def _decoded(data: bytes, encoding: str) -> Decoded:
    text = data.decode(encoding, "replace")
    return Decoded(clean(text), encoding, "\ufffd" in text)


def _known(declared: str) -> str:
    try:
        name = codecs.lookup(declared).name if declared else ""
    except (LookupError, ValueError):
        return ""
    if name in ("ascii", "iso8859-1"):  # browsers read both as Windows-1252, and UTF-8 is tried before it
        return ""
    return "" if name in _NOT_TEXT else name


_NOT_TEXT = frozenset({"base64", "bz2", "hex", "quopri", "rot13", "uu", "zlib", "idna", "punycode", "unicode-escape"})


def _wide(sample: bytes) -> str:
    """UTF-16 without a mark: text in it has a NUL in every other byte."""
    if len(sample) < 4 or b"\x00" not in sample:
        return ""
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    half = len(sample) / 2
    if odd > 0.4 * half and even < 0.05 * half:
        return "utf-16-le"
    return "utf-16-be" if even > 0.4 * half and odd < 0.05 * half else ""


def _nearly_utf8(data: bytes) -> bool:
    """Whether all but few of the high bytes are UTF-8: a damaged or cut file."""
    sample = data[:SAMPLE_BYTES]
    text = sample.decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    right = sum(1 for character in text if character > "\x7f") - wrong
    return right > 20 * wrong


_MULTIBYTE = ("gb18030", "big5", "shift_jis", "euc_jp", "euc_kr")


def _likelihood(sample: bytes, encoding: str) -> float:
    """Share of the characters beyond ASCII that are frequent in texts of this encoding; 0 where it cannot be."""
    text = sample.decode(encoding, "ignore")
    beyond = [character for character in text if character > "\x7f"]
    lost = len(sample) - len(text.encode(encoding, "ignore"))
    if not beyond or lost > 0.02 * len(sample) + 4:
        return 0.0
    return _FREQUENT[encoding](beyond, Counter(_leads(sample)))


def _leads(sample: bytes) -> list[int]:
    """First bytes of pairs within runs that begin with a high byte."""
    return [run[at] for run in _HIGH_RUN.findall(sample) for at in range(0, len(run) - 1, 2)]


def _share(characters: list[str], *ranges: tuple[int, int]) -> float:
    inside = sum(1 for one in characters if any(low <= ord(one) <= high for low, high in ranges))
    return inside / len(characters)


_KANA, _PUNCTUATION = (0x3041, 0x30FF), (0x3000, 0x3020)
_HAN, _HANGUL, _WIDE_FORMS = (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xFF01, 0xFF5E)


def _japanese(characters: list[str], leads: Counter[int]) -> float:
    kana = _share(characters, _KANA)
    return _share(characters, _KANA, _PUNCTUATION, _HAN, _WIDE_FORMS) + kana if kana > 0.2 else 0.0


def _korean(characters: list[str], leads: Counter[int]) -> float:
    total = sum(leads.values())
    low = sum(count for lead, count in leads.items() if 0xA1 <= lead <= _KOREAN_LEAD)
    if total < _KOREAN_PAIRS or low < 0.97 * total:
        return 0.0
    return _share(characters, _HANGUL, _PUNCTUATION, _WIDE_FORMS) + 0.1


def _simplified(characters: list[str], leads: Counter[int]) -> float:
    total = sum(leads.values()) or 1
    return sum(count for lead, count in leads.items() if 0xB0 <= lead <= 0xD7 or lead in (0xA1, 0xA3)) / total


def _traditional(characters: list[str], leads: Counter[int]) -> float:
    frequent = sum(1 for one in characters if one.encode("big5", "ignore")[:1] <= b"\xc6")
    return _share(characters, _HAN, _PUNCTUATION, _WIDE_FORMS) * frequent / len(characters) - 0.05


_FREQUENT = {
    "gb18030": _simplified,
    "big5": _traditional,
    "shift_jis": _japanese,
    "euc_jp": _japanese,
    "euc_kr": _korean,
}
