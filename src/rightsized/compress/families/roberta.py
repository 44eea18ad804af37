"""RoBERTa (Liu et al. 2019), CodeBERT and UniXcoder (same layout), CamemBERT and XLM-RoBERTa (same layout)."""

from __future__ import annotations

from rightsized.compress.families import bert
from rightsized.compress.families.family import Family

FAMILIES = tuple(
    Family(
        name=name,
        prefixes=("", "roberta."),
        tensors={**bert.EMBEDDINGS, **bert.LAYER},
        settings=bert.SETTINGS,
        positions="offset",
    )
    for name in ("roberta", "camembert", "xlm-roberta")
)
