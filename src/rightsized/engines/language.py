"""Tells the language of a text, for tiers that read some languages only. Offline; py3langid's own model (BSD).

Loading takes about half a second; importing this module loads nothing.
"""

from __future__ import annotations

from typing import Any

from rightsized.core.errors import MissingExtraError

LEAST_LETTERS = 12  # shorter texts tell too little
SURE = 0.8  # probability below which nothing is said
MOST_CHARS = 4_000  # the start of a long text is enough


class LanguageDetector:
    """text -> ISO 639-1 code, or empty where it cannot tell.

    Raises MissingExtraError where py3langid is not installed.
    """

    def __init__(self) -> None:
        try:
            from py3langid.langid import LanguageIdentifier
        except ImportError:
            raise MissingExtraError(
                "A tier names languages, and py3langid is not installed.", extra="language"
            ) from None
        self._kind: Any = LanguageIdentifier
        self._model: Any = None

    def load(self) -> None:
        """Read the model now rather than at the first text."""
        if self._model is None:
            self._model = _open(self._kind)

    def __call__(self, text: str) -> str:
        """The language of `text`. Short texts and mixtures have none."""
        start = text[:MOST_CHARS]
        if sum(character.isalpha() for character in start) < LEAST_LETTERS:
            return ""
        self.load()
        code, probability = self._model.classify(start)
        return str(code) if probability >= SURE else ""


def _open(kind: Any) -> Any:
    from importlib.resources import files

    return kind.from_modelpath(str(files("py3langid") / "data" / "model.npz.xz"), norm_probs=True)
