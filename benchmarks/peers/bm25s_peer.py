"""bm25s as its documentation shows it: English stop words, Snowball stemmer, the library's own parameters."""

import bm25s
import numpy as np
import Stemmer
from search_rows import Rows
from wire import serve


def rank(folder, depth):
    rows = Rows(folder)
    stemmer = Stemmer.Stemmer("english")
    index = bm25s.BM25()
    index.index(bm25s.tokenize(rows.texts, stopwords="en", stemmer=stemmer, show_progress=False), show_progress=False)
    members = rows.members()
    asked = bm25s.tokenize(rows.questions, stopwords="en", stemmer=stemmer, show_progress=False, return_ids=False)
    found = []
    for words, document in zip(asked, rows.wanted, strict=True):
        scores = index.get_scores(words) if words else np.zeros(len(rows.ids))
        if document:
            inside = members.get(document, np.array([], np.int64))
            order = inside[np.argsort(-scores[inside], kind="stable")]
        else:
            order = np.argsort(-scores, kind="stable")
        found.append([rows.ids[i] for i in order[:depth] if scores[i] > 0])
    return found


serve(rank=rank)
