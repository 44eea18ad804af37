"""Whether the address in From is its sender's own, as the server that took the message in has found and written down.

Anybody can write any address into From. A receiving server checks SPF, DKIM and DMARC and says what it found in an
Authentication-Results field (RFC 8601), under a name of its own, the authserv-id. Anybody can write such a field too:
the topmost under the server's name is the server's, as long as it adds one to every message (section 5). Checks nothing
by itself: no DNS is asked and no signature is verified here.
"""

from __future__ import annotations

from collections.abc import Sequence

from rightsized.apps.triage.records import Mail

FIELD = "authentication-results"  # kept of a message: what the server that is believed says of it
MOST_RESULTS = 100  # of one field that are looked at


def authenticated(fields: Sequence[str], authserv: str, domain: str) -> bool:
    """Whether the server vouches for a domain.

    Args:
        fields: the values of Authentication-Results, the topmost first.
        authserv: the name of the server that is believed.
        domain: of the one address in From.
    """
    results = _without_comments(of_server(fields, authserv)).split(";")[1 : MOST_RESULTS + 1]
    return any(_vouches(one, domain.lower()) for one in results)


def of_server(fields: Sequence[str], authserv: str) -> str:
    """The topmost field of this server; empty where there is none."""
    return next((one for one in fields if authserv and _name(one) == authserv.strip().lower()), "")


def refuted(mail: Mail) -> bool:
    """Whether the server has looked at a message and does not vouch for its sender: the address may be anybody's. Mail
    that never passed the server says nothing."""
    return FIELD in mail.headers and not mail.authenticated


def _name(field: str) -> str:
    words = _without_comments(field).partition(";")[0].split()
    return words[0].lower() if words else ""


def _vouches(result: str, domain: str) -> bool:
    """DMARC's pass, or that of SPF or DKIM for the domain itself or one that it belongs to (RFC 7489, section 3.1)."""
    words = [one.partition("=") for one in result.split() if "=" in one]
    if not words or words[0][2].lower() != "pass":
        return False
    method, said = words[0][0].lower().partition("/")[0], {name.lower(): value.strip('"') for name, _, value in words}
    named = [said.get(one, "").rpartition("@")[2].lower() for one in _NAMED.get(method, ())]
    return any(_within(domain, one) for one in named)


_NAMED = {
    "dmarc": ("header.from",),
    "dkim": ("header.d", "header.i"),
    "spf": ("smtp.mailfrom",),
}


def _within(domain: str, named: str) -> bool:
    return bool(domain) and "." in named and (domain == named or domain.endswith(f".{named}"))


def _without_comments(value: str) -> str:
    """The value without what stands in brackets, however deep; a quoted string keeps its own."""
    kept, depth, quoted, escaped = list[str](), 0, False, False
    for char in value:
        if escaped:
            escaped = False
        elif char == "\\" and (quoted or depth):
            escaped = True
            continue
        elif char == '"' and not depth:
            quoted = not quoted
        elif char == "(" and not quoted:
            depth += 1
        elif char == ")" and depth and not quoted:
            depth -= 1
            continue
        if not depth:
            kept.append(" " if quoted and char in "; \t" else char)
    return "".join(kept)
