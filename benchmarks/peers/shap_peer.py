"""SHAP's Partition explainer on the benchmark's own score function, called back over the pipe."""

import numpy as np
import shap
from wire import callback, serve

GONE = "@@gone@@"  # SHAP takes no empty mask: this one is taken out again before scoring


def explain(text, evaluations, mask):
    """Values of SHAP's tokens, with their characters, and the evaluations asked for; an empty mask removes words."""
    asked = 0

    def score(texts):
        nonlocal asked
        asked += len(texts)
        plain = [str(t) if mask else " ".join(str(t).replace(GONE, " ").split()) for t in texts]
        return np.array(callback("score", texts=plain))

    masker = shap.maskers.Text(r"\s+", mask_token=mask or GONE)  # white-space words, as on our side
    explainer = shap.Explainer(score, masker, algorithm="partition")
    found = explainer([text], max_evals=evaluations, silent=True)
    return {
        "tokens": [str(t) for t in found.data[0]],
        "values": [float(v) for v in np.asarray(found.values[0]).ravel()],
        "base": float(np.asarray(found.base_values).ravel()[0]),
        "evaluations": asked,
    }


serve(explain=explain)
