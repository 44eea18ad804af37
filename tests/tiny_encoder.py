"""Makes a tiny random encoder's checkpoint with NumPy alone, for tests that need a real graph but no real words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

WIDTH, HEADS, LAYERS, POSITIONS, INNER = 32, 4, 2, 24, 48
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def write_tiny_encoder(folder: Path, *, seed: int = 0, context: int = 16) -> Path:
    """A BERT checkpoint whose tokens are letters; `context` is the most tokens it reads."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *LETTERS, *(f"##{c}" for c in LETTERS)]
    _write_tokenizer(folder, pieces)
    config = {
        "model_type": "bert",
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "max_position_embeddings": POSITIONS,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
    }
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": context}), "utf-8")
    (folder / "README.md").write_text("---\nlicense: mit\nlanguage:\n- en\n- fr\n---\nA model.\n", "utf-8")
    save_file(_weights(len(pieces), np.random.default_rng(seed)), folder / "model.safetensors")
    return folder


def _write_tokenizer(folder: Path, pieces: list[str]) -> None:
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    )
    tokenizer.enable_padding(length=8)  # settings of a training run, which an encoder must not keep
    tokenizer.enable_truncation(4)
    tokenizer.save(str(folder / "tokenizer.json"))


def _weights(vocabulary: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    shapes = {
        "embeddings.word_embeddings.weight": (vocabulary, WIDTH),
        "embeddings.position_embeddings.weight": (POSITIONS, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
        "embeddings.LayerNorm.weight": (WIDTH,),
        "embeddings.LayerNorm.bias": (WIDTH,),
    }
    for layer in range(LAYERS):
        base = f"encoder.layer.{layer}"
        for name in ("self.query", "self.key", "self.value", "output.dense"):
            shapes |= {f"{base}.attention.{name}.weight": (WIDTH, WIDTH), f"{base}.attention.{name}.bias": (WIDTH,)}
        shapes |= {f"{base}.intermediate.dense.weight": (INNER, WIDTH), f"{base}.intermediate.dense.bias": (INNER,)}
        shapes |= {f"{base}.output.dense.weight": (WIDTH, INNER), f"{base}.output.dense.bias": (WIDTH,)}
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"{base}.{name}.weight": (WIDTH,), f"{base}.{name}.bias": (WIDTH,)}
    return {
        name: (random.standard_normal(shape) * 0.3 + ("LayerNorm.weight" in name)).astype(np.float32)
        for name, shape in shapes.items()
    }
