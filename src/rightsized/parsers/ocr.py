"""Words in pictures, by RapidOCR with the models that its wheel carries. Fetches nothing; one thread.

Optional: extra `[ocr]`. Gives fragments, so that scans are laid out as other pages are.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from statistics import median
from typing import TYPE_CHECKING, Any

from rightsized.parsers.extra import needed
from rightsized.parsers.limits import seconds_left
from rightsized.parsers.pdf.fragments import Fragment

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PACKAGE = "rapidocr_onnxruntime"
LEAST_CONFIDENCE = 0.5  # of a line; below it recognition guesses at stains
PAGE_SECONDS = 20.0  # that must be left for a page to be begun
THINKABLE = 0.02  # score of a blank between two words
DETECTION_SIDE = 1_600  # pixels of the longer side in which lines are looked for
EVEN = 1.35  # times as high a line may be and count as of the same size
SIZE = 0.75  # of a line's height: about its font's size


def installed() -> bool:
    """Whether the extra is there; not whether it works."""
    return find_spec(PACKAGE) is not None


def time_for_a_page() -> bool:
    """Whether another page may be begun within the limits of this document."""
    return seconds_left() > PAGE_SECONDS


class _Decoder:
    """Scores of characters over the columns of a line to its text (CTC), in place of RapidOCR's own.

    Its model is loath to see blanks between Latin words: one counts wherever it is thinkable at all. (Inside of words
    its score is below 0.001, between words that were run together above 0.1.)
    """

    def __init__(self, characters: Sequence[str]) -> None:
        self.character = characters
        self._blank = characters.index(" ")

    def __call__(
        self, scores: NDArray[np.float32], return_word_box: bool = False, **more: object
    ) -> list[tuple[str, float]]:
        """Texts and confidences of lines; scores are float32 (lines, columns, characters), 0 is no character."""
        return [self._line(line) for line in scores]

    def _line(self, scores: NDArray[np.float32]) -> tuple[str, float]:
        best = scores.argmax(axis=1)
        text: list[str] = []
        sure: list[float] = []
        last = -1  # column of the last character
        for column, index in enumerate(best):
            if index and (not column or index != best[column - 1]):
                between = scores[last + 1 : column, self._blank]
                if text and between.size and between.max() > THINKABLE and _are_latin(text[-1], self.character[index]):
                    text.append(" ")
                text.append(self.character[index])
                sure.append(float(scores[column, index]))
            last = column if index else last
        return "".join(text), sum(sure) / len(sure) if sure else 0.0


def _are_latin(before: str, after: str) -> bool:
    """Whether both are of a script that has blanks between words, and none is one already."""
    return " " not in (before, after) and before < "\u2e80" and after < "\u2e80"


@lru_cache(maxsize=1)
def _engine() -> Any:
    with needed("rapidocr-onnxruntime", extra="ocr"):
        import cv2
        from rapidocr_onnxruntime import RapidOCR
    cv2.setNumThreads(1)
    engine = RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1)
    engine.text_rec.postprocess_op = _Decoder(list(engine.text_rec.postprocess_op.character))
    return engine


def recognise(image: NDArray[np.uint8], points: float) -> list[Fragment]:
    """The lines of text in a picture, from top to bottom. Lines are found in a smaller copy, and read in full size.

    Args:
        image: uint8 (height, width, 3), blue first.
        points: of the page, a pixel.
    Raises:
        MissingExtraError: the extra is not installed, or a library that it needs is missing.
    """
    engine = _engine()
    boxes, reduced = _found(engine, image)
    if boxes is None or not len(boxes):
        return []
    corners = engine.sorted_boxes(boxes) if reduced == 1 else [box * reduced for box in engine.sorted_boxes(boxes)]
    texts, _ = engine.text_rec(engine.get_crop_img_list(image, corners))
    lines = []
    for box, (text, confidence) in zip(corners, texts, strict=True):
        if confidence >= LEAST_CONFIDENCE and text.strip():
            left, top = (float(value) * points for value in box.min(axis=0))
            right, bottom = (float(value) * points for value in box.max(axis=0))
            lines.append((" ".join(text.split()), left, top, right, bottom))
    usual = median([bottom - top for _, _, top, _, bottom in lines]) if lines else 0.0
    return [Fragment(*line, size=SIZE * _steady(line[4] - line[2], usual), bold=False) for line in lines]


def _found(engine: Any, image: NDArray[np.uint8]) -> tuple[Any, float]:
    """Corners of the lines, float32 (lines, 4, 2), in a copy that is so many times smaller."""
    import cv2

    reduced = max(1.0, max(image.shape[:2]) / DETECTION_SIDE)
    size = (round(image.shape[1] / reduced), round(image.shape[0] / reduced))
    boxes, _ = engine.text_det(image if reduced == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    return boxes, reduced


def _steady(height: float, usual: float) -> float:
    """Heights of lines of one size differ with their letters: what is near the usual is the usual."""
    return usual if usual / EVEN < height < usual * EVEN else height
