"""Run by a Python that has torch and transformers: makes tiny random encoders and says what they compute.

Reads one JSON object a line from standard input and writes one a line to standard output.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
import transformers

TINY = {"vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "bert": ("BertConfig", "BertModel", {**TINY, "max_position_embeddings": 40}),
    "bert-relu": ("BertConfig", "BertModel", {**TINY, "max_position_embeddings": 40, "hidden_act": "relu"}),
    "bert-tanh": ("BertConfig", "BertModel", {**TINY, "max_position_embeddings": 40, "hidden_act": "gelu_new"}),
    "bert-masked": ("BertConfig", "BertForMaskedLM", {**TINY, "max_position_embeddings": 40}),
    "roberta": ("RobertaConfig", "RobertaModel", {**TINY, "max_position_embeddings": 42, "type_vocab_size": 1}),
    "codebert-masked": ("RobertaConfig", "RobertaForMaskedLM", {**TINY, "max_position_embeddings": 42}),
    "xlm-roberta": ("XLMRobertaConfig", "XLMRobertaModel", {**TINY, "max_position_embeddings": 42}),
    "camembert": ("CamembertConfig", "CamembertModel", {**TINY, "max_position_embeddings": 42}),
    "distilbert": (
        "DistilBertConfig",
        "DistilBertModel",
        {"vocab_size": 97, "dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 48, "max_position_embeddings": 40},
    ),
}
for _scored, _model, _own in (
    ("bert", "BertForSequenceClassification", {}),
    ("roberta", "RobertaForSequenceClassification", {}),
    ("xlm-roberta", "XLMRobertaForSequenceClassification", {"type_vocab_size": 1}),
    ("distilbert", "DistilBertForSequenceClassification", {}),
):
    CASES[f"{_scored}-reranker"] = (CASES[_scored][0], _model, {**CASES[_scored][2], **_own, "num_labels": 1})


def make(case: str, folder: str, dtype: str) -> dict[str, Any]:
    """Save a random encoder; weights are spread wide, so that attention is far from uniform."""
    config_name, model_name, settings = CASES[case]
    torch.manual_seed(7)
    config = getattr(transformers, config_name)(**settings, bos_token_id=0, eos_token_id=2)
    model = getattr(transformers, model_name)(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(1.0 if "LayerNorm.weight" in name or "layer_norm.weight" in name else 0.0, 0.25)
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    return {}


def run(folder: str, ids: list[list[int]]) -> dict[str, Any]:
    """Hidden states and attention of each sequence, alone and unpadded."""
    model = transformers.AutoModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    results = []
    for sequence in ids:
        tensor = torch.tensor([sequence])
        with torch.no_grad():
            out = model(
                tensor, attention_mask=torch.ones_like(tensor), output_hidden_states=True, output_attentions=True
            )
        results.append(
            {
                "layers": [state[0].tolist() for state in out.hidden_states],
                "attentions": [weights[0].tolist() for weights in out.attentions],
            }
        )
    return {"results": results}


def score(folder: str, pairs: list[dict[str, list[int]]]) -> dict[str, Any]:
    """Logits of pairs of texts, each alone and unpadded."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    typed = getattr(model.config, "type_vocab_size", 0) > 1
    logits = []
    for pair in pairs:
        given = {"input_ids": torch.tensor([pair["ids"]])}
        if typed:
            given["token_type_ids"] = torch.tensor([pair["types"]])
        with torch.no_grad():
            logits.append(float(model(attention_mask=torch.ones_like(given["input_ids"]), **given).logits[0, 0]))
    return {"logits": logits}


def embed(folder: str, texts: list[str], max_length: int) -> dict[str, Any]:
    """Mean-pooled unit vectors of texts by the original tokenizer and model, with their token ids."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    vectors, ids = [], []
    for text in texts:
        encoded = tokenizer(text, truncation=True, max_length=max_length, return_tensors="pt")
        with torch.no_grad():
            states = model(**encoded).last_hidden_state
        vectors.append(torch.nn.functional.normalize(states.mean(dim=1))[0].tolist())
        ids.append(encoded["input_ids"][0].tolist())
    return {"vectors": vectors, "ids": ids}


def main() -> None:
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    actions = {"make": make, "run": run, "score": score, "embed": embed}
    out, sys.stdout = sys.stdout, sys.stderr  # the library may print; the answers must stand alone
    for line in sys.stdin:
        order = json.loads(line)
        if "folder" in order:
            Path(order["folder"]).mkdir(parents=True, exist_ok=True)
        print(json.dumps(actions[order.pop("action")](**order)), file=out, flush=True)


if __name__ == "__main__":
    main()
