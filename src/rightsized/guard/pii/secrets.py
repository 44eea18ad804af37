"""Keys and secrets: shapes that providers publish, private keys, tokens, passwords by their word, random strings."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import ClassVar

from rightsized.core.generation import DataClass
from rightsized.core.pii import PiiConfig
from rightsized.guard.pii.recogniser import CLEAR, LIKELY, POSSIBLE, PROVEN, Example, Hit
from rightsized.guard.pii.view import View, words

# Prefixes and lengths as the providers document them for scanners.
_SHAPES = (
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}",  # Amazon Web Services
    r"gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{50,255}",
    r"gl(?:pat|ptt|dt|rt|soat|cbt|ft|imt|agent|oas)-[A-Za-z0-9_.-]{20,200}",
    r"xox[abeprs]-[A-Za-z0-9-]{10,250}|xapp-\d-[A-Za-z0-9-]{10,250}",  # Slack
    r"(?:sk|rk|pk|whsec)_(?:live_|test_)?[A-Za-z0-9]{24,247}",  # Stripe
    r"AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,500}|GOCSPX-[A-Za-z0-9_-]{28}",  # Google
    r"sk-(?:proj-|svcacct-|admin-|ant-[a-z0-9]{2,8}-|or-v1-)?[A-Za-z0-9_-]{20,250}",  # language-model services
    r"hf_[A-Za-z0-9]{30,40}|r8_[A-Za-z0-9]{37,40}|gsk_[A-Za-z0-9]{40,60}|xai-[A-Za-z0-9]{60,100}|"
    r"pplx-[A-Za-z0-9]{40,60}",
    r"npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,250}|rubygems_[a-f0-9]{48}|dckr_pat_[A-Za-z0-9_-]{27}",
    r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}|key-[a-f0-9]{32}|(?:SK|AC)[a-f0-9]{32}",  # mail and telephony
    r"do[opr]_v1_[a-f0-9]{64}|shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}|sq0(?:atp|csp)-[A-Za-z0-9_-]{22,43}|"
    r"EAAA[A-Za-z0-9_-]{60}",
    r"\d{8,10}:AA[A-Za-z0-9_-]{33}|[MNO][A-Za-z\d_-]{23,25}\.[\w-]{6}\.[\w-]{27,38}",  # chat bots
    r"hvs\.[A-Za-z0-9_-]{24,200}|AGE-SECRET-KEY-1[A-Z0-9]{58}|lin_api_[A-Za-z0-9]{40}|ntn_[A-Za-z0-9]{40,50}|"
    r"secret_[A-Za-z0-9]{43}",
    r"https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]{20,200}|"
    r"https://discord(?:app)?\.com/api/webhooks/\d{15,22}/[\w-]{50,100}",
    r"dapi[a-f0-9]{32}|PMAK-[a-f0-9]{24}-[a-f0-9]{34}|sntrys_[A-Za-z0-9+/=_]{40,400}|"
    r"glsa_[A-Za-z0-9]{32}_[a-f0-9]{8}|figd_[\w-]{40,60}",
    r"rs-[A-Za-z0-9_-]{32,64}",  # keys of this server
)
_KEY = re.compile(rf"(?<![A-Za-z0-9_-])(?:{'|'.join(_SHAPES)})(?![A-Za-z0-9_-])")
_JWT = re.compile(r"(?<![\w-])eyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{2,8000}(?:\.[A-Za-z0-9_-]{0,4000}){1,3}")
_PEM = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,4}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = re.compile(r"-----END (?:[A-Z0-9]{1,12} ){0,4}PRIVATE KEY(?: BLOCK)?-----")
_BEARER = re.compile(r"(?:bearer|basic|token) ([a-z0-9._~+/=-]{16,4000})(?![\w])")
_IN_URL = re.compile(r"(?<=://)[^\s:/@]{0,128}:([^\s/@]{3,256})@(?=[\w\[])")
_NAMED = re.compile(
    r"(?<![^\W_])(pass ?(?:word|wort|phrase|wd|code)|passwd|pwd|kennwort|mot de passe|contrase[ñn]a|senha|"
    r"wachtwoord|secret(?:[ _-]?(?:access )?key)?|"
    r"client[ _-]?secret|api[ _-]?(?:key|token|secret)|apikey|access[ _-]?(?:key|token)|auth[ _-]?token|"
    r"private[ _-]?key|signing[ _-]?key|"
    r"encryption[ _-]?key|account[ _-]?key|aws_secret_access_key|connection[ _-]?string|otp|pin|cvv2?|cvc)"
    r"[\"']?(?: (?:is|was|ist|est|es|=))?(?: ?(?::=|=>|[:=])|(?<=is)|(?<=was)|(?<=ist)|"
    r"(?<=est)) ?[\"'`]?([^\s\"'`,;<>]{3,512})"
)
_SPOKEN = frozenset(
    {
        "not",
        "the",
        "a",
        "an",
        "wrong",
        "too",
        "incorrect",
        "invalid",
        "expired",
        "required",
        "being",
        "in",
        "on",
        "to",
        "for",
        "my",
        "your",
        "always",
        "never",
        "also",
        "now",
        "still",
        "none",
        "null",
        "true",
        "false",
        "same",
        "very",
        "case",
        "stored",
        "sent",
        "hashed",
        "weak",
        "strong",
        "safe",
        "lost",
        "missing",
        "empty",
        "set",
        "reset",
        "changed",
        "no",
        "yes",
        "string",
        "str",
        "int",
        "bytes",
        "optional",
        "env",
        "secret",
        "password",
        "needed",
        "saved",
    }
)
_SHORT = frozenset({"otp", "pin", "cvv", "cvv2", "cvc"})
_RANDOM = re.compile(r"(?<![A-Za-z0-9+/_=.-])[A-Za-z0-9+/_-]{20,512}={0,2}(?![A-Za-z0-9+/_=-])")
_SECRET_WORDS = words(
    "secret\\w*",
    "tokens?",
    "(?:api|access|private|secret|encryption|signing|license|ssh|auth)?[ _-]?keys?",
    "credentials?",
    "passw\\w+",
    "pwd",
    "auth\\w*",
    "bearer",
    "apikey",
    "cookie",
    "session",
    "sas",
    "signature",
    "hmac",
)
_LEAST_BITS = 3.6  # Shannon entropy a character; English words are near 2.5 to 3.3 at this length
_HEX = frozenset("0123456789abcdefABCDEF")
_UUID = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$")


class Secrets:
    """Finds secrets."""

    name = "secrets"
    classes: ClassVar[Mapping[str, DataClass]] = {
        "api_key": "secret",
        "private_key": "secret",
        "token": "secret",
        "password": "secret",
    }
    examples = (
        Example("key AKIAIOSFODNN7EXAMPLE in", "AKIAIOSFODNN7EXAMPLE", "api_key"),
        Example(
            "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----",
            "private_key",
        ),
        Example("Authorization: Bearer abcdEFGH1234ijklMNOP", "abcdEFGH1234ijklMNOP", "token"),
        Example("password = hunter2!x", "hunter2!x", "password"),
        Example("postgres://bob:s3cr3t@db.example/x", "s3cr3t", "password"),
        Example(
            "The secret is stored as wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY today",
            "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
            "api_key",
        ),
    )

    def __init__(self, config: PiiConfig) -> None:
        pass

    def find(self, view: View) -> Iterator[Hit]:
        for match in _KEY.finditer(view.text):
            yield Hit(*match.span(), "api_key", PROVEN)
        for match in _JWT.finditer(view.text):
            yield Hit(*match.span(), "token", PROVEN)
        yield from _private_keys(view.text)
        for match in _BEARER.finditer(view.lower):
            if _mixed(view.text[slice(*match.span(1))]):
                yield Hit(*match.span(1), "token", CLEAR)
        for match in _IN_URL.finditer(view.text):
            yield Hit(*match.span(1), "password", PROVEN)
        yield from _named(view)
        for match in _RANDOM.finditer(view.text):
            if _looks_random(match.group()) and _SECRET_WORDS.search(view.before(match.start(), 60)):
                yield Hit(*match.span(), "api_key", LIKELY)


def _private_keys(text: str) -> Iterator[Hit]:
    """Private keys in PEM armour; one that is cut off goes on to the end of the text."""
    done = 0
    while begin := _PEM.search(text, done):
        finish = _PEM_END.search(text, begin.end())
        done = finish.end() if finish else len(text)
        yield Hit(begin.start(), done, "private_key", PROVEN)


def _named(view: View) -> Iterator[Hit]:
    for match in _NAMED.finditer(view.lower):
        name, value = match.group(1), match.group(2).rstrip(".)]}")
        start = match.start(2)
        explicit = any(mark in view.lower[match.end(1) : start] for mark in ":=")
        if value in _SPOKEN or value.startswith(("${", "{{", "$(", "<", "http://", "https://", "***")) or not value:
            continue
        if name in _SHORT:
            if not (value.isdigit() and len(value) <= 8):
                continue
        elif not explicit and value.isalpha():
            continue
        yield Hit(
            start,
            start + len(value),
            "password" if name[0] in "pkmcsw" and "key" not in name else "api_key",
            CLEAR if explicit else POSSIBLE,
        )


def _mixed(value: str) -> bool:
    return any(map(str.isdigit, value)) and any(map(str.isalpha, value))


def _looks_random(value: str) -> bool:
    """Letters and digits without the regularity of words: by entropy, and no identifier of another kind."""
    if not _mixed(value) or _UUID.match(value):
        return False
    if all(c in _HEX for c in value):
        return len(value) >= 32
    return entropy(value) >= _LEAST_BITS and max(map(len, re.split(r"\d|[/_+-]", value))) < len(value)


def entropy(value: str) -> float:
    """Shannon entropy of the characters, bits a character."""
    counts = Counter(value).values()
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts)
