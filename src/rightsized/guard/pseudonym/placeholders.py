"""What stands in a text in place of a value: `PERSON_K7Q2MX9R4T`.

A label says what kind of value it was, so that a model can write about it; a code says which. The code is ten
characters out of 27, 47 bits from a keyed hash: nobody who does not hold the key can guess one, and the same value gets
the same one. Only letters, digits and an underscore: that passes through JSON, Markdown, URLs and the names of
functions, and models copy it as they copy identifiers.
"""

from __future__ import annotations

import hashlib
import hmac

ALPHABET = "23456789BCDFGHJKMNPQRSTVWXZ"  # no vowels, so no words; nothing that is easily taken for another
CODE_CHARS = 10
LABEL_CHARS = 12
UNNAMED = "VALUE"
SEPARATORS = frozenset("_- \\*`\n\t\u00a0\u200b\u2010\u2011\u202f")  # what models put between the parts of a name
MAX_GAP = 3  # such characters in a row


def label(kind: str) -> str:
    """The label of a type: ASCII letters only.

    >>> label("payment_card"), label("名")
    ('PAYMENTCARD', 'VALUE')
    """
    letters = "".join(c for c in kind.upper() if c.isascii() and c.isalpha())
    return letters[:LABEL_CHARS] or UNNAMED


def code(key: bytes, value: str, attempt: int) -> str:
    """The code of a value under a key; another one for each attempt, for codes that are taken."""
    digest = hmac.digest(key, b"%d\0" % attempt + value.encode("utf-8", "surrogatepass"), hashlib.sha256)
    number = int.from_bytes(digest, "big")
    found = []
    for _ in range(CODE_CHARS):
        number, at = divmod(number, len(ALPHABET))
        found.append(ALPHABET[at])
    return "".join(found)
