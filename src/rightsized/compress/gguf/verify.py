"""Does a GGUF file answer as what it was made from? Tokens, chat template, greedy continuations, perplexity.

Both sides answer the same questions (`tune/reference.py`, `score`); here the answers are compared.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from rightsized.compress.gguf.child import Peer
from rightsized.core.errors import InputError
from rightsized.core.frozen import Frozen
from rightsized.store.cards import Proof

CONTINUED = 32  # tokens continued from each prompt
CONVERSATIONS = (
    [{"role": "user", "content": "Hello there"}],
    [
        {"role": "user", "content": " Where is my order? "},
        {"role": "assistant", "content": "On its way."},
        {"role": "user", "content": "When will it\narrive?"},
    ],
)
# Beside messages: spaces, line ends, digits, code, accents, other scripts, emoji.
HARD = (
    "  two  spaces\n\n\nand lines\t.",
    "def train(model, x):\n    return model(x) + 12345.678",
    "na\u00efve caf\u00e9 \U0001f600 \u65e5\u672c\u8a9e \u0440\u0443\u0441\u0441\u043a\u0438\u0439",
)


class Comparison(Frozen, frozen=True):
    """A proof and, for a person, where the two first differ; empty where they do not."""

    proof: Proof
    differences: tuple[str, ...] = ()


def compare(original: Peer, converted: Peer, texts: Sequence[str], *, against: str) -> Comparison:
    """Ask both sides and compare.

    Args:
        texts: prompts of the user, or messages; `HARD` is added.
        against: what the original is, for the proof.
    Raises:
        JobError: one side ended. InputError: the texts have too few tokens to say anything.
    """
    asked = [*texts, *HARD]
    theirs, ours = original.ask("tokens", texts=asked), converted.ask("tokens", texts=asked)
    differences = [_tokens_differ(t, a, b) for t, a, b in zip(asked, theirs, ours, strict=True) if a != b]
    same_template, said = _templates(original, converted)
    prompts = [tokens[: max(3, len(tokens) // 2)] for tokens in theirs if len(tokens) >= 3]
    if not prompts:
        raise InputError("These texts have no three tokens between them.", fix="Give longer prompts.")
    greedy = _greedy(original, converted, prompts)
    long = [tokens for tokens in theirs if len(tokens) >= 2]
    scored = sum(len(tokens) - 1 for tokens in long)
    surprise = [sum(side.ask("surprise", sequences=long)) for side in (original, converted)]
    proof = Proof(
        against=against,
        runtime=f"xllamacpp {version('xllamacpp')}",
        texts=len(asked),
        tokens=scored,
        same_tokens=not differences,
        same_template=same_template,
        greedy=CONTINUED * len(prompts),
        greedy_same=sum(same for same, _ in greedy),
        perplexity=math.exp(surprise[1] / scored),
        reference=math.exp(surprise[0] / scored),
        created=time.time(),
    )
    return Comparison(proof, (*differences, *said, *(text for _, text in greedy if text)))


def _templates(original: Peer, converted: Peer) -> tuple[bool | None, list[str]]:
    theirs = original.ask("rendered", conversations=CONVERSATIONS)
    if not theirs:
        return None, []
    start = original.ask("start")
    ours = converted.ask("rendered", conversations=CONVERSATIONS)
    if not ours:
        return False, ["The file has no chat template; the original has one."]
    # llama.cpp leaves the start mark to the tokenizer, which adds it.
    pairs = [(a.removeprefix(start), b.removeprefix(start)) for a, b in zip(theirs, ours, strict=True)]
    said = [f"The chat template writes {b!r} instead of {a!r}." for a, b in pairs if a != b]
    return not said, said


def _greedy(original: Peer, converted: Peer, prompts: list[list[int]]) -> list[tuple[int, str]]:
    """For each prompt how many tokens were equal, and what came where they were not."""
    order: dict[str, Any] = {"prompts": prompts, "count": CONTINUED, "avoid": original.ask("special")}
    found = []
    for prompt, a, b in zip(prompts, original.ask("greedy", **order), converted.ask("greedy", **order), strict=True):
        theirs, ours = a["tokens"], b["tokens"]
        same = next((i for i in range(CONTINUED) if theirs[i : i + 1] != ours[i : i + 1]), CONTINUED)
        said = ""
        if same < CONTINUED:
            lead = f", whose lead was {a['leads'][same]:.4f} logits" if "leads" in a else ""
            said = f"After {len(prompt)} tokens, the {same + 1}th is {ours[same : same + 1]}, not {theirs[same]}{lead}."
        found.append((same, said))
    return found


def _tokens_differ(text: str, theirs: list[int], ours: list[int]) -> str:
    at = next((i for i, (a, b) in enumerate(zip(theirs, ours, strict=False)) if a != b), min(len(theirs), len(ours)))
    return f"{text[:40]!r} has the tokens {ours[at : at + 4]} from the {at + 1}th on instead of {theirs[at : at + 4]}."
