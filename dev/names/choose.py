"""Chooses the operating point of people: `python -m dev.names.choose --data FOLDER --home HOME [--recall 0.92]`.

Raises the scores of people against "no name" until their words are recalled as asked on messages held out of the train
files, and writes the figure into `names.json`. The development files are never opened. Organisations and places keep
the figures that stand there.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import msgspec
import numpy as np

from dev.names import samples
from rightsized.engines.tagger import SETTINGS_FILE, OnnxTagger
from rightsized.engines.viterbi import best_path, transitions
from rightsized.store.home import Home
from rightsized.store.models import ModelStore
from rightsized.tasks.names import open_tagger, shipped

KIND = "person"
STEPS = np.arange(0.0, 5.01, 0.25)


def figures(tagger: OnnxTagger, texts: list[samples.Text], bias: float) -> tuple[float, float]:
    """Recall and precision of the words of people at a bias, beside the one the tagger has."""
    tags = tagger.settings.tags
    people = [i for i, tag in enumerate(tags) if tag.endswith(f"-{KIND}")]
    right = found = real = 0
    for text, spans in texts:
        words, scores = tagger.word_scores(text)
        if not len(words.first):
            continue
        scores = scores.copy()
        scores[:, people] += np.float32(bias - tagger.settings.bias.get(KIND, 0.0))
        said = np.isin(best_path(scores, transitions(tags)), people)
        truth, known = _truth(words.places, spans)
        right += int((said & truth & known).sum())
        found += int((said & known).sum())
        real += int((truth & known).sum())
    return right / max(real, 1), right / max(found, 1)


def _truth(places: np.ndarray, spans: samples.Spans) -> tuple[np.ndarray, np.ndarray]:
    truth, known = np.zeros(len(places), bool), np.ones(len(places), bool)
    for start, end, kind in spans:
        inside = (places[:, 0] < end) & (places[:, 1] > start)
        truth |= inside & (kind == KIND)
        known &= ~(inside & (kind == samples.IGNORED))
    return truth, known


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--recall", type=float, default=0.92)
    arguments = parser.parse_args()
    tagger = open_tagger(ModelStore(Home(arguments.home)))
    _, held = samples.read(arguments.data, samples.SOCIAL)
    found = {float(bias): figures(tagger, held, float(bias)) for bias in STEPS}
    for bias, (recall, precision) in found.items():
        print(f"bias {bias:.2f}: recall {recall:.4f}, precision {precision:.4f}")  # noqa: T201 - a script
    chosen = min((bias for bias, (recall, _) in found.items() if recall >= arguments.recall), default=max(found))
    weights, settings = shipped()
    place = weights.with_name(SETTINGS_FILE)
    stated = {
        **json.loads(place.read_text("utf-8")),
        **msgspec.to_builtins(settings),
        "bias": {**settings.bias, KIND: chosen},
    }
    place.write_text(json.dumps(stated, indent=2, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main()
