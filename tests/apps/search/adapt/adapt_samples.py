"""A made-up domain in which headings and texts share no word, for an encoder that knows neither.

Each topic has a word in headings and two letters in texts. Documents with a title are learnt from; those without are
asked about in the words of titles written as one, so that only an encoder that has learnt the domain finds them.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rightsized.apps.search.evaluate.asking import Asking, Bench
from rightsized.apps.search.evaluate.beir import Judged, Question, Row
from rightsized.apps.search.evaluate.collected import collect
from rightsized.apps.search.index.collection import Collection
from rightsized.apps.search.rank.tuning import JudgedQuestion
from rightsized.core.egress import Egress
from rightsized.core.protocols import Encoded
from rightsized.engines.onnx import OnnxEncoder
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks.adapted import install_reweighed, weights_of
from rightsized.tasks.encoders import open_encoder, pull_encoder
from tiny_encoder import write_tiny_encoder

NAME, BASE = "made", "tiny"
WORDS = ("abcd", "efgh", "ijkl", "mabe", "cidj", "fkgl", "hmae", "bfcg", "dhie", "jakb", "lcmd", "gifj")
LETTERS = ("no", "pq", "rs", "tu", "vw", "xy", "zn", "op", "qr", "st", "uv", "wx")
TITLED, ASKED = 140, 70
TEXTS = TITLED + ASKED + 1  # different ones; the second rows are alike


class World(NamedTuple):
    """A home with a tiny encoder and a collection of the made-up domain."""

    home: Home
    store: ModelStore
    encoder: OnnxEncoder
    collection: Collection
    judged: Judged
    questions: list[JudgedQuestion]


class WordEncoder:
    """An encoder without weights: each word a direction, so that texts that share words are near."""

    digest, dimension, max_tokens = "sha256:words", 64, 256

    def encode_now(self, text: str) -> Encoded:
        words = re.findall(r"\w+", text.lower()) or [""]
        total = sum((_direction(word) for word in words), np.zeros(self.dimension))
        return Encoded((total / np.linalg.norm(total)).astype(np.float32), len(words), False)

    async def encode(self, text: str) -> Encoded:
        return self.encode_now(text)

    def close(self) -> None:
        """Nothing."""


def _direction(word: str) -> NDArray[np.float64]:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).standard_normal(WordEncoder.dimension)


def domain(seed: int = 0) -> Judged:
    """Titled documents to learn from, and documents without title with a question for each."""
    drawn = random.Random(seed)
    topics = list(itertools.combinations(range(len(WORDS)), 3))
    drawn.shuffle(topics)
    rows, questions, grades = [], [], {}
    for number, three in enumerate(topics[: TITLED + ASKED]):
        letters = [letter for topic in three for letter in LETTERS[topic] * 2]
        drawn.shuffle(letters)
        title, text = " ".join(WORDS[topic] for topic in three), " ".join(letters)
        titled = number < TITLED
        rows.append(Row(f"d{number}", text, title if titled else "", f"d{number}", {}))
        if titled:  # with a second row, so that the title is in the document alone and not in what is searched
            rows.append(Row(f"d{number}#1", "no", title, f"d{number}", {}))
        else:
            questions.append(Question(f"q{number}", title.replace(" ", ""), {}))
            grades[f"q{number}"] = {f"d{number}": 1}
    return Judged("made", tuple(rows), tuple(questions), grades)


def _of_a_bag(name: str, value: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights of a network that adds up its tokens' vectors: no positions, layers that change nothing."""
    if "norm" in name:
        return np.full_like(value, float(name.endswith("weight")))
    return value if name == "words" else value * np.float32(0)


def world(folder: Path, judged: Judged | None = None) -> World:
    """A new one in a folder."""
    home = Home(folder / "home").ensure()
    store = ModelStore(home)
    pull_encoder(str(write_tiny_encoder(folder / "raw", context=20)), store=store, egress=Egress(), name="random")
    _, arrays = weights_of(store, "random")
    bag = {name: _of_a_bag(name, value) for name, value in arrays.items()}
    install_reweighed(store, "random", BASE, bag, b"{}")
    encoder = open_encoder(BASE, store)
    made = judged or domain()
    collected = collect(home.path, NAME, made, encoder)
    questions = Bench(made, collected, encoder, Asking()).questions()
    return World(home, store, encoder, collected.collection, made, questions)
