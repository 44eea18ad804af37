"""Addresses of cryptocurrencies: Bitcoin with its checksum (Base58Check, Bech32), Ethereum by shape."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

from stdnum import bitcoin

from rightsized.core.generation import DataClass
from rightsized.core.pii import PiiConfig
from rightsized.guard.pii.recogniser import CLEAR, PROVEN, Example, Hit
from rightsized.guard.pii.view import View

_BITCOIN = re.compile(r"(?<![A-Za-z0-9])(?:[13][1-9A-HJ-NP-Za-km-z]{25,34}|bc1[02-9ac-hj-np-z]{11,71})(?![A-Za-z0-9])")
_ETHEREUM = re.compile(r"(?<![A-Za-z0-9])0x[0-9A-Fa-f]{40}(?![A-Za-z0-9])")


class Crypto:
    """Finds wallet addresses."""

    name = "crypto"
    classes: ClassVar[Mapping[str, DataClass]] = {"crypto_address": "personal"}
    examples = (
        Example(
            "send to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa now", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "crypto_address"
        ),
        Example(
            "0x52908400098527886E0F7030069857D2E4169EE7", "0x52908400098527886E0F7030069857D2E4169EE7", "crypto_address"
        ),
    )

    def __init__(self, config: PiiConfig) -> None:
        pass

    def find(self, view: View) -> Iterator[Hit]:
        for match in _BITCOIN.finditer(view.text):
            if bitcoin.is_valid(match.group()):
                yield Hit(*match.span(), "crypto_address", PROVEN)
        for match in _ETHEREUM.finditer(view.text):
            yield Hit(*match.span(), "crypto_address", CLEAR)
