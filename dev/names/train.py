"""Fits the name tagger: `python -m dev.names.train --data FOLDER --encoder MODEL_FOLDER --out FOLDER`.

Needs the extra `tune` (torch). States of the frozen layers come from the INT8 graph that serves, through ONNX Runtime,
so fitting and serving read the same numbers. Rows held out of the train files choose the epoch; the development files
are never opened. The same seed gives the same weights on the same machine and library versions, to rounding.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from tokenizers import Tokenizer
from torch.nn import functional

from dev.names import samples
from dev.names.export import write
from dev.names.names import Names
from dev.names.network import TaggerNetwork
from rightsized.compress.tagger_graph import frozen_part
from rightsized.engines.tagger_words import BUCKETS, SLOTS, Words, split

TAGS = ("O", "B-person", "I-person", "B-organisation", "I-organisation", "B-place", "I-place")
HERE = Path(__file__).parent
LONGEST = 360  # characters of a packed text
MADE = 2000  # filled templates an epoch


class Batch:
    """Texts as arrays for the network, and the tag wanted for each first piece (-100: none)."""

    def __init__(self, texts: list[samples.Text], tokenizer: Tokenizer, session: onnxruntime.InferenceSession) -> None:
        self.words = [split(tokenizer, text) for text, _ in texts]
        start, end = tokenizer.encode("").ids
        longest = max(len(w.pieces) for w in self.words) + 2
        shape = (len(texts), longest)
        states = np.zeros((*shape, 384), np.float32)
        features, mask = np.zeros((*shape, SLOTS), np.int64), np.zeros(shape, bool)
        wanted = np.full(shape, -100, np.int64)
        for row, ((_, spans), words) in enumerate(zip(texts, self.words, strict=True)):
            ids = np.concatenate([[start], words.pieces, [end]])[None, :]
            states[row, : ids.shape[1]] = session.run(["states"], {"input_ids": ids})[0]
            mask[row, : ids.shape[1]] = True
            lengths = np.diff([*words.first, len(words.pieces)])
            features[row, 1 : ids.shape[1] - 1] = np.repeat(words.features, lengths, axis=0)
            wanted[row, 1 + words.first] = _tags(words, spans)
        self.states, self.features = torch.from_numpy(states), torch.from_numpy(features)
        self.mask, self.wanted = torch.from_numpy(mask), torch.from_numpy(wanted)


def _tags(words: Words, spans: samples.Spans) -> np.ndarray:
    tags = np.zeros(len(words.first), np.int64)
    for start, end, kind in spans:
        inside = np.flatnonzero((words.places[:, 0] < end) & (words.places[:, 1] > start))
        if kind == samples.IGNORED:
            tags[inside] = -100
        elif len(inside):
            tags[inside] = TAGS.index(f"I-{kind}")
            tags[inside[0]] = TAGS.index(f"B-{kind}")
    return tags


def layers_of(folder: Path, frozen: int, own: int) -> list[dict[str, np.ndarray]]:
    """The encoder's own next layers, from which ours start."""
    model = onnx.load(str(folder / "model.fp32.onnx"))
    constants = {one.name: one for one in model.graph.initializer}
    found = []
    for layer in range(frozen, frozen + own):
        prefix = f"layer.{layer}."
        found.append({n[len(prefix) :]: numpy_helper.to_array(v) for n, v in constants.items() if n.startswith(prefix)})
    return found


def fit(arguments: argparse.Namespace) -> None:
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    random = Random(arguments.seed)  # noqa: S311 - draws samples, not secrets
    tokenizer = Tokenizer.from_file(str(arguments.encoder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    session = _session(frozen_part(onnx.load(str(arguments.encoder / "model.int8.onnx")), arguments.frozen))
    fitted, held = samples.read(arguments.data)
    templates = (HERE / "templates.txt").read_text("utf-8").splitlines()
    sampler = samples.Sampler(fitted, templates, Names(samples.names_in(fitted), random), random)
    layers = layers_of(arguments.encoder, arguments.frozen, arguments.own)
    sizes: dict[str, int] = {"buckets": BUCKETS, "width": 64, "hidden": 192, "tags": len(TAGS)}
    network = TaggerNetwork(layers, **sizes)
    checks = [Batch(held[i : i + 32], tokenizer, session) for i in range(0, len(held), 32)]
    best = -1.0
    steps = arguments.epochs * len(_batches(sampler.epoch(made=MADE, longest=LONGEST), random, arguments.batch))
    optimiser, schedule = _optimiser(network, arguments, steps)
    for epoch in range(arguments.epochs):
        begun, losses = time.monotonic(), []
        network.train()
        for texts in _batches(sampler.epoch(made=MADE, longest=LONGEST), random, arguments.batch):
            losses.append(_step(network, Batch(texts, tokenizer, session), optimiser))
            schedule.step()
        score = check(network, checks)
        seconds = round(time.monotonic() - begun)
        said = {"epoch": epoch, "loss": round(float(np.mean(losses)), 4), **score, "seconds": seconds}
        print(json.dumps(said), flush=True)  # noqa: T201 - a script
        if score["f1"] >= best:
            best = score["f1"]
            facts: dict[str, Any] = {"frozen": arguments.frozen, "own": arguments.own, "seed": arguments.seed, **sizes}
            write(arguments.out, network.arrays(arguments.frozen), {**facts, "tags": list(TAGS)}, arguments.encoder)


def _session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _batches(texts: list[samples.Text], random: Random, characters: int) -> list[list[samples.Text]]:
    """Texts of like length together, each batch with about `characters` characters, in random order."""
    ordered = sorted((t for t in texts if t[0].strip()), key=lambda one: len(one[0]) + random.random() * 20)
    batches: list[list[samples.Text]] = [[]]
    for text in ordered:
        if batches[-1] and (len(batches[-1]) + 1) * (len(text[0]) + 8) > characters:
            batches.append([])
        batches[-1].append(text)
    random.shuffle(batches)
    return batches


def _optimiser(network: TaggerNetwork, arguments: argparse.Namespace, steps: int) -> tuple[Any, Any]:
    ours = [p for n, p in network.named_parameters() if not n.startswith("layers.")]
    theirs = list(network.layers.parameters())
    groups = [{"params": ours, "lr": 1.5e-3}] + ([{"params": theirs, "lr": arguments.rate}] if theirs else [])
    optimiser = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    warm = steps // 20 + 1
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda s: min((s + 1) / warm, max(0.02, (steps - s) / steps))
    )
    return optimiser, schedule


def _step(network: TaggerNetwork, batch: Batch, optimiser: Any) -> float:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = network(batch.states, batch.features, batch.mask)
    loss = functional.cross_entropy(
        scores.float().reshape(-1, len(TAGS)), batch.wanted.reshape(-1), label_smoothing=0.02
    )
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
    return float(loss.detach())


def check(network: TaggerNetwork, batches: list[Batch]) -> dict[str, float]:
    """Token figures on held-out rows: F1 over all names; recall and precision of people."""
    network.eval()
    right = found = real = 0
    people = np.zeros(3)
    for batch in batches:
        with torch.no_grad():
            said = network(batch.states, batch.features, batch.mask).argmax(-1)
        known = batch.wanted >= 0
        kinds, truth = (said[known] + 1) // 2, (batch.wanted[known] + 1) // 2
        right += int(((kinds == truth) & (truth > 0)).sum())
        found, real = found + int((kinds > 0).sum()), real + int((truth > 0).sum())
        people += [int(((kinds == 1) & (truth == 1)).sum()), int((kinds == 1).sum()), int((truth == 1).sum())]
    precision, recall = right / max(found, 1), right / max(real, 1)
    return {
        "f1": round(2 * precision * recall / max(precision + recall, 1e-9), 4),
        "person_recall": round(people[0] / people[2], 4),
        "person_precision": round(people[0] / max(people[1], 1), 4),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--frozen", type=int, default=3)
    parser.add_argument("--own", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch", type=int, default=6000)
    parser.add_argument("--rate", type=float, default=2.5e-4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=20260127)
    fit(parser.parse_args())
