"""Run by a Python that has torch: trains an encoder on pairs of texts so that a text finds its partner among others.

Argument: a folder with `order.json`, `weights.safetensors` (arrays by the names in our graphs), `tokens.safetensors`.
Imports nothing of this package. Writes one JSON object a line to standard output (progress, then the outcome) and the
trained arrays as `tuned.safetensors`. `checkpoint.safetensors` is written each minute and when asked to stop, and a
second run of the same order goes on from there.

The loss is MultipleNegativesRanking (Henderson et al. 2017): softmax over the cosines of a text to its partner, to the
other partners of the batch and to the mined negatives. There is no dropout, and all that is random comes from the seed.
"""

from __future__ import annotations

import json
import math
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

CHECKPOINT_SECONDS = 60.0
WARMUP = 0.1  # of all steps, in which the rate of learning grows
CLIP = 1.0  # longest gradient
CHUNK = 16  # texts of like length that go through the network together
_NORM_FLOOR = 1e-12  # least norm divided by, as in our graphs
_Arrays = dict[str, Any]


class Blueprint(NamedTuple):
    """What the arrays do not say of the network; as `compress.weights.Blueprint`."""

    layers: int
    heads: int
    activation: str
    epsilon: float
    pooling: str
    first_position: int


class Settings(NamedTuple):
    """As `tune.contrastive.Settings`."""

    epochs: float
    batch: int
    rate: float
    decay: float
    scale: float
    layers: int
    seed: int
    threads: int


class Tokens(NamedTuple):
    """Texts as token ids end to end, and pairs as numbers of texts. `document` and `same` hold a number a text."""

    ids: Any
    starts: Any
    pairs: Any  # (n, 2): the text that asks, its partner
    negatives: Any  # (n, k), -1 where there is none
    document: Any
    same: Any

    def text(self, number: int) -> Any:
        return self.ids[self.starts[number] : self.starts[number + 1]]


def encode(arrays: _Arrays, plan: Blueprint, texts: list[Any], frozen: int) -> Any:
    """Unit vectors (n, dimension) of texts as token ids; no gradient flows into the lowest `frozen` layers."""
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    parts = [order[at : at + CHUNK] for at in range(0, len(order), CHUNK)]
    vectors = torch.cat([_encode(arrays, plan, [texts[at] for at in part], frozen) for part in parts])
    return vectors[torch.tensor(np.argsort(order))]


def _encode(arrays: _Arrays, plan: Blueprint, texts: list[Any], frozen: int) -> Any:
    longest = max(len(text) for text in texts)
    ids = torch.zeros((len(texts), longest), dtype=torch.int64)
    mask = torch.zeros((len(texts), longest), dtype=torch.bool)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = torch.as_tensor(text)
        mask[row, : len(text)] = True
    with torch.set_grad_enabled(torch.is_grad_enabled() and frozen < 1):
        states = arrays["words"][ids] + arrays["positions"][plan.first_position : plan.first_position + longest]
        if "type" in arrays:
            states = states + arrays["type"]
        states = _norm(arrays, plan, states, "layer.0.norm")
    for layer in range(plan.layers):
        with torch.set_grad_enabled(torch.is_grad_enabled() and layer >= frozen):
            states = _layer(arrays, plan, states, mask, f"layer.{layer}")
    mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    pooled = states[:, 0] if plan.pooling == "cls" else mean
    if "projection" in arrays:
        pooled = pooled @ arrays["projection"]
    return pooled / pooled.norm(dim=1, keepdim=True).clamp_min(_NORM_FLOOR)


def _layer(arrays: _Arrays, plan: Blueprint, states: Any, mask: Any, name: str) -> Any:
    rows, tokens, dimension = states.shape
    joined = _linear(arrays, states, f"{name}.qkv").view(rows, tokens, 3, plan.heads, dimension // plan.heads)
    query, key, value = joined.permute(2, 0, 3, 1, 4)
    mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None, :])
    mixed = _linear(arrays, mixed.transpose(1, 2).reshape(rows, tokens, dimension), f"{name}.mix")
    states = _norm(arrays, plan, states + mixed, f"{name}.mix_norm")
    wide = _linear(arrays, states, f"{name}.widen")
    wide = functional.relu(wide) if plan.activation == "relu" else functional.gelu(wide, approximate=plan.activation)
    return _norm(arrays, plan, states + _linear(arrays, wide, f"{name}.narrow"), f"{name}.narrow_norm")


def _linear(arrays: _Arrays, x: Any, name: str) -> Any:
    return x @ arrays[f"{name}.weight"] + arrays[f"{name}.bias"]


def _norm(arrays: _Arrays, plan: Blueprint, x: Any, name: str) -> Any:
    return functional.layer_norm(x, x.shape[-1:], arrays[f"{name}.weight"], arrays[f"{name}.bias"], plan.epsilon)


def loss_of(arrays: _Arrays, plan: Blueprint, tokens: Tokens, rows: Any, settings: Settings) -> tuple[Any, Any]:
    """Mean loss of a batch of pairs, and for each whether its partner was the nearest."""
    pairs, negatives = tokens.pairs[rows], tokens.negatives[rows]
    candidates = [*pairs[:, 1].tolist(), *negatives[negatives >= 0].tolist()]
    texts = [tokens.text(number) for number in [*pairs[:, 0].tolist(), *candidates]]
    vectors = encode(arrays, plan, texts, plan.layers - settings.layers)
    scores = settings.scale * vectors[: len(rows)] @ vectors[len(rows) :].T
    scores = scores.masked_fill(torch.from_numpy(_forbidden(tokens, pairs, negatives, candidates)), -math.inf)
    wanted = torch.arange(len(rows))
    return functional.cross_entropy(scores, wanted), scores.argmax(1) == wanted


def _forbidden(tokens: Tokens, pairs: Any, negatives: Any, candidates: list[int]) -> Any:
    """(pairs, candidates): which candidates may be no negative of a pair.

    Those of the partner's own document, those that say the same, and the mined negatives of a text that asks the same.
    """
    others = np.array(candidates)
    partner, asks = pairs[:, 1], tokens.same[pairs[:, 0]]
    found = tokens.document[partner][:, None] == tokens.document[others][None]
    found |= tokens.same[partner][:, None] == tokens.same[others][None]
    same = asks[:, None] == asks[None]
    found[:, : len(pairs)] |= same
    found[np.arange(len(pairs)), np.arange(len(pairs))] = False
    return found


def train(folder: Path) -> dict[str, Any]:
    """Train as ordered; what came of it."""
    order = json.loads((folder / "order.json").read_text("utf-8"))
    plan, settings = Blueprint(**order["blueprint"]), Settings(**order["settings"])
    tokens, learn, kept = _tokens(folder, order["held_out"])
    arrays = load_file(folder / "weights.safetensors")
    trained = sorted(name for name in arrays if _layer_of(name) >= plan.layers - settings.layers)
    for name in trained:
        arrays[name].requires_grad_()
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    before = _accuracy(arrays, plan, tokens, kept, settings)
    run = _Run(folder / "checkpoint.safetensors", arrays, trained, settings)
    steps = max(1, round(len(learn) / settings.batch * settings.epochs))
    signal.signal(signal.SIGTERM, run.stop)
    losses = []
    for step in range(run.load(), steps):
        rows = _batch(learn, step, settings)
        loss, _ = loss_of(arrays, plan, tokens, rows, settings)
        run.step(loss, step, steps)
        losses.append(float(loss.detach()))
        _say(done=step + 1, total=steps, loss=losses[-1])
    after = _accuracy(arrays, plan, tokens, kept, settings)
    save_file({name: array.detach().contiguous() for name, array in arrays.items()}, folder / "tuned.safetensors")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e3 if sys.platform == "linux" else 1e6)
    last = losses[-max(1, len(losses) // 10) :]
    mean = sum(last) / len(last) if last else 0.0
    found = {"steps": steps, "loss": mean, "before": before, "after": after, "memory_mb": peak}
    return {**found, "torch": torch.__version__}


def _tokens(folder: Path, held_out: int) -> tuple[Tokens, Any, Any]:
    """The texts, and the numbers of pairs to learn from and of those that are kept back."""
    found = {name: array.numpy() for name, array in load_file(folder / "tokens.safetensors").items()}
    tokens = Tokens(**found)
    numbers = np.arange(len(tokens.pairs))
    return tokens, numbers[held_out:], numbers[:held_out]


def _layer_of(name: str) -> int:
    parts = name.split(".")
    return int(parts[1]) if parts[0] == "layer" and parts[2] != "norm" else -1


def _batch(learn: Any, step: int, settings: Settings) -> Any:
    """The pairs of a step: each epoch goes through all of them in an order of its own."""
    rows: list[int] = []
    at = step * settings.batch
    while len(rows) < min(settings.batch, len(learn)):
        epoch, place = divmod(at + len(rows), len(learn))
        shuffled = np.random.default_rng([settings.seed, epoch]).permutation(learn)
        rows += shuffled[place : place + settings.batch - len(rows)].tolist()
    return np.array(rows)


def _accuracy(arrays: _Arrays, plan: Blueprint, tokens: Tokens, kept: Any, settings: Settings) -> float:
    """How often a pair that was kept back finds its partner first within a batch; 0 where none is kept back."""
    if not len(kept):
        return 0.0
    with torch.no_grad():
        parts = [kept[at : at + settings.batch] for at in range(0, len(kept), settings.batch)]
        found = torch.cat([loss_of(arrays, plan, tokens, part, settings)[1] for part in parts])
    return float(found.float().mean())


class _Run:
    """AdamW with warm-up and linear decay, and its state on disk."""

    def __init__(self, path: Path, arrays: _Arrays, trained: list[str], settings: Settings) -> None:
        self._path, self._arrays, self._trained, self._settings = path, arrays, trained, settings
        self._optimiser = torch.optim.AdamW(
            [arrays[name] for name in trained], lr=settings.rate, weight_decay=settings.decay
        )
        self._saved = time.monotonic()
        self._stopping = False

    def stop(self, *_: object) -> None:
        """Asked to stop: the step in hand is ended first."""
        self._stopping = True

    def step(self, loss: Any, step: int, steps: int) -> None:
        """One step down. Leaves the process after a checkpoint once it was asked to stop."""
        warm = max(1.0, WARMUP * steps)
        share = min((step + 1) / warm, (steps - step) / max(1.0, steps - warm))
        for group in self._optimiser.param_groups:
            group["lr"] = self._settings.rate * share
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([self._arrays[name] for name in self._trained], CLIP)
        self._optimiser.step()
        if self._stopping or time.monotonic() - self._saved > CHECKPOINT_SECONDS:
            self._save(step + 1)
        if self._stopping:
            sys.exit(3)

    def _save(self, step: int) -> None:
        kept = {"step": torch.tensor(step)}
        for name in self._trained:
            state = self._optimiser.state[self._arrays[name]]
            kept[f"weight:{name}"] = self._arrays[name].detach()
            kept |= {f"{key}:{name}": state[key] for key in ("exp_avg", "exp_avg_sq", "step")}
        unfinished = self._path.with_suffix(".part")
        save_file(kept, unfinished)
        unfinished.replace(self._path)
        self._saved = time.monotonic()

    def load(self) -> int:
        """Steps done before, with weights and moments as they were then."""
        if not self._path.exists():
            return 0
        kept = load_file(self._path)
        with torch.no_grad():
            for name in self._trained:
                self._arrays[name].copy_(kept[f"weight:{name}"])
                state = {key: kept[f"{key}:{name}"] for key in ("exp_avg", "exp_avg_sq", "step")}
                self._optimiser.state[self._arrays[name]] = state
        return int(kept["step"])


def embed(folder: Path) -> dict[str, Any]:
    """Vectors of all texts by `weights.safetensors`, written as `vectors.safetensors`: to compare with our graphs."""
    order = json.loads((folder / "order.json").read_text("utf-8"))
    tokens, _, _ = _tokens(folder, 0)
    texts = [tokens.text(number) for number in range(len(tokens.starts) - 1)]
    with torch.no_grad():
        vectors = encode(load_file(folder / "weights.safetensors"), Blueprint(**order["blueprint"]), texts, 0)
    save_file({"vectors": vectors}, folder / "vectors.safetensors")
    return {"texts": len(texts)}


def main() -> None:
    action = {"train": train, "embed": embed}[sys.argv[1]]
    _say(outcome=action(Path(sys.argv[2])))


def _say(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
