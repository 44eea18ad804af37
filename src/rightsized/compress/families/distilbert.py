"""DistilBERT (Sanh et al. 2019): BERT with half the layers and no token types."""

from __future__ import annotations

from rightsized.compress.families import bert
from rightsized.compress.families.family import Family

_LAYER = {
    "query": "transformer.layer.{}.attention.q_lin",
    "key": "transformer.layer.{}.attention.k_lin",
    "value": "transformer.layer.{}.attention.v_lin",
    "mix": "transformer.layer.{}.attention.out_lin",
    "mix_norm": "transformer.layer.{}.sa_layer_norm",
    "widen": "transformer.layer.{}.ffn.lin1",
    "narrow": "transformer.layer.{}.ffn.lin2",
    "narrow_norm": "transformer.layer.{}.output_layer_norm",
}
_SETTINGS = {
    "layers": "n_layers",
    "heads": "n_heads",
    "dimension": "dim",
    "positions": "max_position_embeddings",
    "activation": "activation",
    "epsilon": "",  # fixed at 1e-12 in this family
}
FAMILIES = (
    Family(
        name="distilbert",
        prefixes=("", "distilbert."),
        tensors={**bert.EMBEDDINGS, **_LAYER},
        settings=_SETTINGS,
        token_types=False,
    ),
)
