"""Prompts over messages, cut to what a tier reads; how much was left out is told.

How long a prompt is in tokens only the model knows. It is guessed from its characters, and halved where the tier says
that it is still too long. Nothing is cut where it fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from rightsized.core.errors import ContextLengthError
from rightsized.tasks.writing import Excerpt, Prompt, Text, TextWriter, tokens_of

GUESS = 3.0  # characters a token: low for English mail, so that the first try mostly fits
LEAST = 120  # characters of an excerpt that is worth asking about
HALVINGS = 5
HEAD = 0.75  # of what is kept of an excerpt, its beginning; the rest is its end
GAP = "\n[...]\n"


class Given(NamedTuple):
    """What was written, and how many characters of the excerpts the tier was given, of how many."""

    text: Text
    read: int
    whole: int

    @property
    def note(self) -> str:
        """What was left out, in words; empty where nothing was."""
        if self.read >= self.whole:
            return ""
        return f"read {self.read:,} of {self.whole:,} characters, as many as its context holds"


async def write_fitting(writer: TextWriter, prompt: Prompt) -> Given:
    """What was written from the prompt, its longest excerpts cut as far as needed. Raises what the writer raises."""
    whole = length(prompt.excerpts)
    asked = fitted(prompt, writer.context)
    for _ in range(HALVINGS):
        try:
            return Given(await writer.write(asked), length(asked.excerpts), whole)
        except ContextLengthError:
            if not whole or length(asked.excerpts) // 2 < LEAST:
                raise
            asked = replace(asked, excerpts=cut(asked.excerpts, length(asked.excerpts) // 2))
    return Given(await writer.write(asked), length(asked.excerpts), whole)


def fitted(prompt: Prompt, context: int) -> Prompt:
    """The prompt with its excerpts cut to a context of so many tokens, by a guess; 0: not known, nothing is cut."""
    if not context:
        return prompt
    bare = replace(prompt, excerpts=tuple(replace(one, text="") for one in prompt.excerpts))
    room = int((context - tokens_of(bare)) * GUESS)
    return replace(prompt, excerpts=cut(prompt.excerpts, max(room, LEAST)))


def cut(excerpts: Sequence[Excerpt], most: int) -> tuple[Excerpt, ...]:
    """Excerpts of at most so many characters together: the longest lose first, of each its middle.

    >>> [len(one.text) <= 40 for one in cut([Excerpt("short"), Excerpt("word " * 50)], 45)]
    [True, True]
    """
    left, share = most, most
    for count, size in zip(range(len(excerpts), 0, -1), sorted(len(one.text) for one in excerpts), strict=True):
        share = left // count  # what the short ones do not need is the long ones'
        if size > share:
            break
        left -= size
    return tuple(replace(one, text=shortened(one.text, share)) for one in excerpts)


def shortened(text: str, most: int) -> str:
    """A text of at most so many characters: its beginning and its end.

    >>> shortened("Where is my parcel? I ordered it a week ago. Thank you.", 30)
    'Where is my parce\\n[...]\\nk you.'
    """
    if len(text) <= most:
        return text
    kept = max(0, most - len(GAP))
    head = int(kept * HEAD)
    return f"{text[:head]}{GAP}{text[len(text) - (kept - head) :]}" if kept else text[:most]


def length(excerpts: Sequence[Excerpt]) -> int:
    """Characters of excerpts together."""
    return sum(len(one.text) for one in excerpts)
