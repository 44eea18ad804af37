"""BERT (Devlin et al. 2019) and what shares its checkpoint layout, such as MiniLM."""

from __future__ import annotations

from rightsized.compress.families.family import Family

EMBEDDINGS = {
    "words": "embeddings.word_embeddings.weight",
    "positions": "embeddings.position_embeddings.weight",
    "types": "embeddings.token_type_embeddings.weight",
    "norm": "embeddings.LayerNorm",
}
LAYER = {
    "query": "encoder.layer.{}.attention.self.query",
    "key": "encoder.layer.{}.attention.self.key",
    "value": "encoder.layer.{}.attention.self.value",
    "mix": "encoder.layer.{}.attention.output.dense",
    "mix_norm": "encoder.layer.{}.attention.output.LayerNorm",
    "widen": "encoder.layer.{}.intermediate.dense",
    "narrow": "encoder.layer.{}.output.dense",
    "narrow_norm": "encoder.layer.{}.output.LayerNorm",
}
SETTINGS = {
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "dimension": "hidden_size",
    "positions": "max_position_embeddings",
    "activation": "hidden_act",
    "epsilon": "layer_norm_eps",
}
FAMILIES = (Family(name="bert", prefixes=("", "bert."), tensors={**EMBEDDINGS, **LAYER}, settings=SETTINGS),)
