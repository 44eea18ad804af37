"""Words of a text as an index sees them: split, lower case, stemmed by language; runs of Chinese, Japanese and Korean
characters as pairs, since no blank parts their words.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from rightsized.core.errors import MissingExtraError

LONGEST_WORD = 64  # characters; longer ones are data, not words
STEMMERS = {  # ISO 639-1 -> tantivy's name
    "ar": "arabic", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish", "fi": "finnish",
    "fr": "french", "hu": "hungarian", "it": "italian", "nl": "dutch", "no": "norwegian", "pt": "portuguese",
    "ro": "romanian", "ru": "russian", "sv": "swedish", "ta": "tamil", "tr": "turkish",
}  # fmt: skip
PLAIN = "xx"  # every other language: words as they stand
SPELLED = "words"  # as they are written, for suggestions
_SAME = {"nb": "no", "nn": "no"}
_UNPARTED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]+")


def tantivy() -> Any:
    """The library. Raises MissingExtraError."""
    try:
        import tantivy as library
    except ImportError:
        raise MissingExtraError("Document search needs tantivy.", extra="search") from None
    return library


def stemmed_as(language: str) -> str:
    """The language whose stemmer is used: itself, a near one, or `xx`."""
    language = _SAME.get(language, language)
    return language if language in STEMMERS else PLAIN


@cache
def analyzer(language: str) -> Any:
    """The analyzer of a language's stemmed field; `xx` does not stem, `words` keeps accents too."""
    library = tantivy()
    kept = library.Filter
    builder = library.TextAnalyzerBuilder(library.Tokenizer.simple())
    builder = builder.filter(kept.remove_long(LONGEST_WORD)).filter(kept.lowercase())
    if language == SPELLED:
        return builder.build()
    if language in STEMMERS:
        builder = builder.filter(kept.stemmer(STEMMERS[language]))
    return builder.filter(kept.ascii_fold()).build()


def words(text: str, language: str = PLAIN) -> list[str]:
    """The terms of a text in order, repeats included."""
    found: list[str] = analyzer(language).analyze(parted(text))
    return found


def parted(text: str) -> str:
    """The text with unparted runs as overlapping pairs of characters; the same text where it has none.

    >>> parted("see 契約書 now")
    'see  契約 約書  now'
    """
    return _UNPARTED.sub(_pairs, text)


def _pairs(match: re.Match[str]) -> str:
    run = match[0]
    pairs = [run[at : at + 2] for at in range(max(1, len(run) - 1))]
    return f" {' '.join(pairs)} "
