"""Patterns that an owner writes: what a hostile text could keep busy is refused, what people write is taken."""

from __future__ import annotations

import pytest

from rightsized.core.errors import ConfigError
from rightsized.core.patterns import checked

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
    r"\w+\d+!",
    r"\d+\s*\d+!",
)
HARMLESS = (
    r"FH-\d{5}",
    r"[A-Z]{2,4}-\d{3,8}",
    r"(?:[A-Z]{2}-)?\d{5}",
    r"contract (?P<value>\d{8})",
    r"(?:\d{1,3}\.){3}\d{1,3}",
    r"(?:order|invoice)\s{0,3}(?:no\.?|number)?\s{0,3}[:#]?\s{0,3}(?P<value>[A-Z0-9-]+)",
    r"\d{1,12}-\d{1,12}-\d{1,12}-\d{1,12}",
    r"(?<!\d)\d{10}(?!\d)",
    r"(?:\w|\d)+!",
    r"[a-z]++-\d{1,9}",
)


@pytest.mark.parametrize("pattern", RUNNING)
def test_what_could_run_for_ever_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="a hostile text could stop it"):
        checked(pattern, "The pattern of a test")


@pytest.mark.parametrize("pattern", HARMLESS)
def test_what_people_write_is_taken(pattern: str) -> None:
    found = checked(pattern, "The pattern of a test")
    for text in ("a" * 2000, "1" * 2000, "A-" * 1000, "order no. " * 200):
        found.search(text)
