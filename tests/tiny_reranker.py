"""Makes a tiny random cross-encoder's checkpoint with NumPy alone, on top of the tiny encoder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from tiny_encoder import WIDTH, write_tiny_encoder


def write_tiny_reranker(folder: Path, *, seed: int = 0, scores: int = 1) -> Path:
    """A BERT checkpoint that gives `scores` numbers for a pair of texts; its tokens are letters."""
    write_tiny_encoder(folder, seed=seed)
    random = np.random.default_rng(seed + 1)
    encoder = {f"bert.{name}": value for name, value in load_file(folder / "model.safetensors").items()}
    head = {
        "bert.pooler.dense.weight": random.standard_normal((WIDTH, WIDTH)),
        "bert.pooler.dense.bias": random.standard_normal(WIDTH),
        "classifier.weight": random.standard_normal((scores, WIDTH)),
        "classifier.bias": random.standard_normal(scores),
    }
    save_file(encoder | {k: (v * 0.3).astype(np.float32) for k, v in head.items()}, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config |= {
        "architectures": ["BertForSequenceClassification"],
        "id2label": {str(i): f"LABEL_{i}" for i in range(scores)},
    }
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    (folder / "sentence_bert_config.json").unlink()
    _frame_pairs(folder / "tokenizer.json")
    return folder


def _frame_pairs(path: Path) -> None:
    tokenizer = Tokenizer.from_file(str(path))
    marks = [(mark, tokenizer.token_to_id(mark)) for mark in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=marks
    )
    tokenizer.save(str(path))
