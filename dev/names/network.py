"""The tagger in torch, for fitting only: our layers on top of the states that the serving graph gives.

Mirrors `rightsized.compress.tagger_graph`; `arrays` gives the weights under the names that one reads.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

WIDTH, HEADS = 384, 12


class Layer(nn.Module):
    """One transformer layer, post-norm, started from the encoder's own weights."""

    def __init__(self, start: dict[str, np.ndarray], epsilon: float = 1e-12) -> None:
        super().__init__()
        self.names = [n for part in ("qkv", "mix", "widen", "narrow") for n in (f"{part}.weight", f"{part}.bias")]
        self.names += [f"{part}.{kind}" for part in ("mix_norm", "narrow_norm") for kind in ("weight", "bias")]
        self.values = nn.ParameterDict(
            {name.replace(".", "_"): nn.Parameter(torch.tensor(start[name])) for name in self.names}
        )
        self.epsilon = epsilon

    def _linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(x, self.values[f"{name}_weight"].T, self.values[f"{name}_bias"])

    def _norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        parts = self.values[f"{name}_weight"], self.values[f"{name}_bias"]
        return functional.layer_norm(x, (WIDTH,), *parts, eps=self.epsilon)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """x (batch, tokens, width); mask (batch, 1, 1, tokens), True where there is a token."""
        batch, tokens, _ = x.shape
        parts = self._linear(x, "qkv").view(batch, tokens, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        scores = parts[0] @ parts[1].transpose(-1, -2) * (WIDTH // HEADS) ** -0.5
        # written out: torch's fused attention takes three times as long backwards on a processor
        mixed = scores.masked_fill(~mask, -1e4).softmax(-1).to(parts.dtype) @ parts[2]
        mixed = mixed.transpose(1, 2).reshape(batch, tokens, WIDTH)
        x = self._norm(x + self._linear(mixed, "mix"), "mix_norm")
        wide = functional.gelu(self._linear(x, "widen"))
        return self._norm(x + self._linear(wide, "narrow"), "narrow_norm")


class TaggerNetwork(nn.Module):
    """Features of how words are written join the states below our layers and beside their output."""

    def __init__(
        self, layers: list[dict[str, np.ndarray]], *, buckets: int, width: int, hidden: int, tags: int
    ) -> None:
        super().__init__()
        self.table = nn.EmbeddingBag(buckets, width, mode="sum")
        nn.init.normal_(self.table.weight, std=0.1)
        self.lift = nn.Linear(width, WIDTH, bias=False)
        nn.init.normal_(self.lift.weight, std=0.01)
        self.layers = nn.ModuleList(Layer(one) for one in layers)
        self.hidden = nn.Linear(WIDTH + width, hidden)
        self.out = nn.Linear(hidden, tags)
        self.dropout = nn.Dropout(0.2)

    def forward(self, states: torch.Tensor, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """states (batch, tokens, width), features (batch, tokens, slots), mask (batch, tokens): scores of tags."""
        batch, tokens, slots = features.shape
        written = self.table(features.view(-1, slots)).view(batch, tokens, -1)
        written = self.dropout(functional.gelu(written))
        x = states + self.lift(written)
        for layer in self.layers:
            x = layer(x, mask[:, None, None, :])
        joined = self.dropout(torch.cat([x, written], dim=-1))
        return self.out(self.dropout(functional.gelu(self.hidden(joined))))

    def arrays(self, frozen: int) -> dict[str, np.ndarray]:
        """All weights as float32, matrices as (in, out)."""
        found = {
            "features": self.table.weight,
            "lift.weight": self.lift.weight.T,
            "hidden.weight": self.hidden.weight.T,
            "hidden.bias": self.hidden.bias,
            "out.weight": self.out.weight.T,
            "out.bias": self.out.bias,
        }
        for place, layer in enumerate(self.layers):
            found |= {f"layer.{frozen + place}.{n}": layer.values[n.replace(".", "_")] for n in layer.names}
        return {name: value.detach().float().numpy().copy() for name, value in found.items()}
