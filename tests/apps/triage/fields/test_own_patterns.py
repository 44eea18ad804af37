"""Patterns of one's own: what hostile text could keep busy for ever is refused, what people write is taken."""

from __future__ import annotations

import pytest

from rightsized.apps.triage.fields.patterns import compiled
from rightsized.core.errors import ConfigError

# Each of these takes twice the time, or more, for one or two letters more of the text that is meant for it.
RUNNING = (
    r"x(?:a+)+b",
    r"x(?:a{1,2})+b",
    r"x(?:ab|abab)+c",
    r"x(?:a+){1,40}b",
    r"x(?:a?a)+b",
    r"x(?:a?){40}a{40}",
    r"x(?>(?:a+)+c)b",
    r"x(?=(?:a+)+c)a",
    r"(y)?x(?(1)(?:a+)+|b)c",
    r"x(?:a+)*?b",
    r"x(?:(?:a|aa)(?:a|aa)){30}b",
)
HARMLESS = (
    r"FH-\d{5}",
    r"[A-Z]{2,4}-\d{3,8}",
    r"(?:[A-Z]{2}-)?\d{5}",
    r"contract (?P<value>\d{8})",
    r"(?:\d{1,3}\.){3}\d{1,3}",
    r"(?:order|invoice)\s*(?:no\.?|number)?\s*[:#]?\s*(?P<value>[A-Z0-9-]+)",
    r"(?<!\d)\d{10}(?!\d)",
    r"(?:\w|\d)+!",
    r"[a-z]++-\d+",
)


@pytest.mark.parametrize("pattern", RUNNING)
def test_what_could_run_for_ever_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="would take for ever"):
        compiled(pattern, "of a test")


@pytest.mark.parametrize("pattern", HARMLESS)
def test_what_people_write_is_taken(pattern: str) -> None:
    found = compiled(pattern, "of a test")
    for text in ("a" * 2000, "1" * 2000, "A-" * 1000, "order no. " * 200):
        found.search(text)
