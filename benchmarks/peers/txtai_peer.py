"""txtai's hybrid index (dense and its own BM25, equal weights) over the same vectors, which it takes as external."""

import numpy as np
from search_rows import Rows
from txtai import Embeddings
from wire import serve


def rank(folder, depth):
    rows = Rows(folder)
    known = dict(zip(rows.texts, rows.vectors, strict=True))
    known.update(zip(rows.questions, rows.question_vectors, strict=True))

    def transform(texts):
        return np.array([known[text] for text in texts], dtype=np.float32)

    def build(numbers):
        index = Embeddings(method="external", transform=transform, hybrid=True, backend="numpy")
        index.index([(int(i), rows.texts[i], None) for i in numbers])
        return index

    if not any(rows.wanted):
        index = build(range(len(rows.ids)))
        return [[rows.ids[i] for i, _ in index.search(question, depth)] for question in rows.questions]
    found = [[] for _ in rows.questions]  # an index a document: its filter is applied after the search otherwise
    for document, numbers in rows.members().items():
        asked = [place for place, wanted in enumerate(rows.wanted) if wanted == document]
        index = build(numbers) if asked else None
        for place in asked:
            found[place] = [rows.ids[i] for i, _ in index.search(rows.questions[place], depth)]
    return found


serve(rank=rank)
