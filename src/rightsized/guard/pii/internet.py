"""Addresses of the internet: URLs, domain names, IPv4 and IPv6 (RFC 4291), MAC addresses (EUI-48, EUI-64)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

from rightsized.core.generation import DataClass
from rightsized.core.pii import PiiConfig
from rightsized.guard.pii.recogniser import CLEAR, LIKELY, POSSIBLE, PROVEN, Example, Hit
from rightsized.guard.pii.view import View, words

_URL = re.compile(
    r"(?<![^\W_])(?:https?|ftps?|sftp|ssh|wss?|git|ldaps?|smb|rtsp)://[^\s<>\"'`{}|\\^]{1,2048}", re.IGNORECASE
)
_BARE = re.compile(
    r"(?<![\w@.-])(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,6}([a-z]{2,24})(?![\w-])(?::\d{1,5}(?!\d))?(/[^\s<>\"'`{}|\\^]{0,1024})?"
)
# Endings after which a word with dots is a domain without `www.` before it: those of most of the web, and none that
# is a common file name ending or word.
_TOP = frozenset(
    """com org net edu gov mil int info biz name online site website shop store tech xyz cloud example test ac ad ae af
    ag al ar at au az ba be bg bo br by ca cc ch ci cl cn co cr cu cy cz de dk do dz ec ee eg es eu fi fo fr ge gh gl gr
    gt hk hn hr hu id ie il in io ir is it jo jp ke kr kw kz lb li lk lt lu lv ma mc me mk mt mx my mz ng ni nl no nz
    om pa pe ph pk pl pr pt qa ro ru sa se sg si sk sm sn sv th tn tr tt tv tw tz ua ug uk us uy uz va ve vn za
    zw""".split()  # noqa: SIM905 - a list this long would take a page
)
_TAIL = ".,;:!?)]}*'\"…»”’"
_BRACKETS = (("(", ")"), ("[", "]"))
_IPV4 = re.compile(r"(?<![\w.:-])(?:\d{1,3}\.){3}\d{1,3}(?:/\d{1,2})?(?![\w-])(?!\.\d)")
_IPV6 = re.compile(
    r"(?<![\w:.])(?=[0-9A-Fa-f:.]{2,45}(?![\w:]))(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f.]{0,15}(?:%\w{1,15})?(?:/\d{1,3})?(?![\w:])"
)
_IP_WORDS = words(
    "ip(?:v[46])?", "addr(?:ess)?", "host", "server", "subnet", "gateway", "dns", "ping", "from", "client"
)
_VERSION = words("version", "ver", "v", "release", "section", "chapter", "clause", "build", "firmware")
_MAC = re.compile(
    r"(?<![\w:-])(?:[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2}){5}(?:(?::[0-9A-Fa-f]{2}){2})?|"
    r"(?:-[0-9A-Fa-f]{2}){5}(?:(?:-[0-9A-Fa-f]{2}){2})?)"
    r"|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4})(?![\w:-])"
)


class Internet:
    """Finds URLs, domain names, IP and MAC addresses."""

    name = "internet"
    classes: ClassVar[Mapping[str, DataClass]] = {
        "url": "internal",
        "ip_address": "personal",
        "mac_address": "personal",
    }
    examples = (
        Example("see https://example.org/a?b=1.", "https://example.org/a?b=1", "url"),
        Example("visit www.example.co.uk/shop, please", "www.example.co.uk/shop", "url"),
        Example("Host 192.0.2.14 is down", "192.0.2.14", "ip_address"),
        Example("from 2001:db8::8a2e:370:7334 port 22", "2001:db8::8a2e:370:7334", "ip_address"),
        Example("MAC 00:1B:44:11:3A:B7", "00:1B:44:11:3A:B7", "mac_address"),
    )

    def __init__(self, config: PiiConfig) -> None:
        pass

    def find(self, view: View) -> Iterator[Hit]:
        for match in _URL.finditer(view.text):
            kept = _trimmed(match.group())
            if kept.partition("://")[2]:
                yield Hit(match.start(), match.start() + len(kept), "url", PROVEN)
        yield from _bare(view)
        if view.has_digit or "::" in view.text:
            yield from _numbers(view)


def _bare(view: View) -> Iterator[Hit]:
    """Domain names without a scheme."""
    if "." not in view.text:
        return
    for match in _BARE.finditer(view.lower):
        name = match.group()
        known = match.group(1) in _TOP and not name.replace(".", "").isdigit()
        if not (name.startswith("www.") or known) or view.text[match.end() :][:1] == "@":
            continue
        if not name.startswith("www.") and _sentence_end(view.text, match):
            continue
        yield Hit(
            match.start(), match.start() + len(_trimmed(name)), "url", CLEAR if name.startswith("www.") else LIKELY
        )


def _sentence_end(text: str, match: re.Match[str]) -> bool:
    """Whether the dot may end a sentence whose next one begins without a space: `yesterday.It`."""
    last = text[match.start(1) : match.end(1)]
    return last[0].isupper() and not last.isupper()


def _numbers(view: View) -> Iterator[Hit]:
    for match in _IPV4.finditer(view.text):
        if _valid(match.group()) and not _VERSION.search(view.before(match.start(), 12)):
            yield Hit(*match.span(), "ip_address", CLEAR)
    for match in _IPV6.finditer(view.text):
        found = match.group().rstrip(".")
        if not _valid(found):
            continue
        clear = found.count(":") > 2 or any(c.isdigit() for c in found)
        if clear or view.near(*match.span(), _IP_WORDS):
            yield Hit(match.start(), match.start() + len(found), "ip_address", CLEAR if clear else POSSIBLE)
    for match in _MAC.finditer(view.text):
        yield Hit(*match.span(), "mac_address", CLEAR)


def _valid(text: str) -> bool:
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return len(text) > 2


def _trimmed(url: str) -> str:
    """A URL without the marks that end a sentence; a closing bracket stays where the URL opened it."""
    end = len(url)
    opened = {close: url.count(opening) - url.count(close) for opening, close in _BRACKETS}
    while end and url[end - 1] in _TAIL:
        mark = url[end - 1]
        if opened.get(mark, -1) >= 0:
            break
        if mark in opened:
            opened[mark] += 1
        end -= 1
    return url[:end]
