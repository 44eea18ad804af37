"""ASReview's own simulation with its default model (ELAS u4: tf-idf of words and pairs, linear SVM, balanced)."""

import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from wire import serve

os.chdir(tempfile.gettempdir())  # it leaves a cache of its own data sets where it is started

from asreview.learner import ActiveLearningCycle  # noqa: E402 - see above
from asreview.models import get_ai_config  # noqa: E402 - as above
from asreview.simulation.simulate import Simulate  # noqa: E402 - as above


class Enough:
    """Stops once a share of what is relevant has been found."""

    def __init__(self, share):
        self.share = share

    def stop(self, results, labels):
        return sum(results["label"]) >= self.share * sum(labels) or len(results) >= len(labels)


def review(texts, relevant, prior, batch, share):
    np.random.seed(0)
    frame = pd.DataFrame({"title": "", "abstract": json.loads(Path(texts).read_text("utf-8"))})
    labels = np.zeros(len(frame), dtype=int)
    labels[relevant] = 1
    cycle = ActiveLearningCycle.from_meta(get_ai_config("elas_u4")["value"])
    cycle.n_query = batch
    run = Simulate(frame, labels, [cycle], stopper=Enough(share), print_progress=False)
    other = np.random.default_rng(0).choice(np.flatnonzero(labels == 0))  # it wants one of each kind
    run.label([prior, int(other)])
    run.review()
    return [int(one) for one in run._results["record_id"]]


serve(review=review)
