"""A linear-chain CRF over the usual features of words (sklearn-crfsuite's own tutorial, with two words on each side).

The penalties are chosen by F1 of spans on a fifth of the training texts, then all of them are used.
"""

import itertools
import random
import re

import sklearn_crfsuite
from wire import serve

TOKEN = re.compile(r"[^\W_]+|[^\w\s]|_")
GRID = tuple(itertools.product((0.01, 0.1, 0.3), (0.01, 0.1, 0.3)))  # c1, c2
AROUND = (-2, -1, 1, 2)


def tokens(text):
    return [(match.start(), match.end()) for match in TOKEN.finditer(text)]


def word_features(words, at, prefix=""):
    word = words[at]
    lower = word.lower()
    shape = re.sub(r"\d", "9", re.sub(r"[a-z]", "x", re.sub(r"[A-Z]", "X", word)))
    return {
        f"{prefix}lower": lower,
        f"{prefix}suffix3": lower[-3:],
        f"{prefix}suffix2": lower[-2:],
        f"{prefix}prefix3": lower[:3],
        f"{prefix}shape": shape,
        f"{prefix}title": word.istitle(),
        f"{prefix}digit": word.isdigit(),
    }


def features(text):
    words = [text[start:end] for start, end in tokens(text)]
    rows = []
    for at in range(len(words)):
        row = {"bias": 1.0, "first": at == 0, "last": at == len(words) - 1, **word_features(words, at)}
        for step in AROUND:
            if 0 <= at + step < len(words):
                row.update(word_features(words, at + step, f"{step}:"))
        if at:
            row["pair"] = f"{words[at - 1].lower()} {words[at].lower()}"
        rows.append(row)
    return rows


def tags(text, spans):
    found = ["O"] * len(tokens(text))
    for name, start, end in spans:
        inside = [at for at, (first, _) in enumerate(tokens(text)) if start <= first < end]
        for place, at in enumerate(inside):
            found[at] = f"{'I' if place else 'B'}-{name}"
    return found


def marked(text, path):
    found, places = [], tokens(text)
    for at, tag in enumerate(path):
        if tag == "O":
            continue
        if tag.startswith("I-") and at and path[at - 1][2:] == tag[2:] and path[at - 1] != "O":
            found[-1][2] = places[at][1]
        else:
            found.append([tag[2:], *places[at]])
    return [tuple(one) for one in found]


def fitted(texts, spans, c1, c2):
    model = sklearn_crfsuite.CRF(algorithm="lbfgs", c1=c1, c2=c2, max_iterations=200, all_possible_transitions=True)
    return model.fit([features(one) for one in texts], [tags(*one) for one in zip(texts, spans, strict=True)])


def right(model, texts, spans):
    found = hits = true = 0
    paths = model.predict([features(one) for one in texts])
    for text, want, path in zip(texts, spans, paths, strict=True):
        got, wanted = set(marked(text, path)), {tuple(one) for one in want}
        hits, found, true = hits + len(got & wanted), found + len(got), true + len(wanted)
    return 2 * hits / max(1, found + true)


def crf(texts, spans, tested):
    """The spans that a CRF fitted on these texts marks in others."""
    order = list(range(len(texts)))
    random.Random(0).shuffle(order)
    held, rest = order[: len(order) // 5], order[len(order) // 5 :]

    def picked(rows):
        return [texts[row] for row in rows], [spans[row] for row in rows]

    chosen = max(GRID, key=lambda one: right(fitted(*picked(rest), *one), *picked(held)))
    model = fitted(texts, spans, *chosen)
    paths = model.predict([features(one) for one in tested])
    return {"chosen": chosen, "spans": [marked(text, path) for text, path in zip(tested, paths, strict=True)]}


serve(crf=crf)
