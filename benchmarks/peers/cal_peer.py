"""Continuous active learning as it is usually written: scikit-learn's tf-idf and balanced logistic regression."""

import json
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from wire import serve

PRESUMED = 100  # unread documents taken for not relevant, as in AutoTAR


def review(texts, relevant, prior, batch, share, seed):
    documents = json.loads(Path(texts).read_text("utf-8"))
    features = TfidfVectorizer(sublinear_tf=True, min_df=2, stop_words="english").fit_transform(documents)
    labels = np.zeros(features.shape[0], dtype=bool)
    labels[relevant] = True
    draw, read = np.random.default_rng(seed), [prior]
    while labels[read].sum() < share * labels.sum() and len(read) < len(labels):
        rest = np.setdiff1d(np.arange(len(labels)), read)
        presumed = draw.choice(rest, min(PRESUMED, len(rest)), replace=False)
        rows = np.concatenate([read, presumed])
        answers = np.concatenate([labels[read], np.zeros(len(presumed), dtype=bool)])
        model = LogisticRegression(class_weight="balanced", max_iter=1000).fit(features[rows], answers)
        scores = model.decision_function(features[rest])
        read += rest[np.argsort(-scores, kind="stable")[:batch]].tolist()
    return [int(one) for one in read]


serve(review=review)
