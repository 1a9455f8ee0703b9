"""What an exact gradient buys: `python benchmarks/torch_exactness.py`.

A separable problem (64 points in 32 dimensions, two classes whose clouds barely part) is learnt by a linear model
under normalised gradient descent, whose direction tends to that of the largest margin for as long as there is a
gradient. Everything is equal but who computes the loss and its gradient in the logits; parameters and updates are
float64 for all.

PyTorch's float32 gradient of binary cross-entropy becomes exactly 0 for a positive example with a logit beyond 17
(bfloat16: 6), while that of a negative one goes on to -100: positive examples fall silent, and the boundary is left
to the negative ones. In cross-entropy the right class's own gradient vanishes likewise, but those of the other
classes do not, and carry the training alone.
"""

from __future__ import annotations

import argparse

import torch

from losscope.torch import functional

STEPS = 600


def data(generator: torch.Generator, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    label = torch.arange(count) % 2
    x = torch.randn(count, 32, generator=generator, dtype=torch.float64)
    x[:, 0] = (2 * label - 1) * (0.6 + x[:, 0].abs() * 0.6)
    return torch.cat([x, torch.ones(count, 1, dtype=torch.float64)], 1), label


def train(name: str, loss, dtype: torch.dtype, seed: int) -> tuple[int | None, float, float, float]:
    """The first step at which no positive example has a gradient; the margins of negative and positive examples
    at the end; the accuracy on new data."""
    generator = torch.Generator().manual_seed(seed)
    x, t = data(generator, 64)
    new, truth = data(generator, 4000)
    binary = name.startswith("binary")
    w = torch.zeros(1 if binary else 2, 33, dtype=torch.float64)
    silent = None
    for step in range(STEPS):
        logits = (x @ w.T).to(dtype).requires_grad_()
        value = loss(logits[:, 0], t.to(dtype)) if binary else loss(logits, t)
        (upstream,) = torch.autograd.grad(value, logits)
        if silent is None and not upstream[t == 1, -1].any():
            silent = step
        gradient = upstream.double().T @ x
        size = gradient.norm()
        if size == 0:
            break
        w -= 0.1 * gradient / size
    direction = w[0] if binary else w[1] - w[0]
    lead = (x @ direction) * (2 * t - 1) / direction[:-1].norm()
    return (
        silent,
        float(lead[t == 0].min()),
        float(lead[t == 1].min()),
        float((((new @ direction) > 0) == truth).double().mean()),
    )


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    torch.set_num_threads(1)
    print(
        "| loss | logits | by | positives silent from step | margin of negatives, positives | new data right |\n|---|---|---|---|---|---|"
    )
    for name in ("binary_cross_entropy_with_logits", "cross_entropy"):
        for dtype in (torch.float64, torch.float32, torch.bfloat16):
            for who, loss in (("PyTorch", functional.torchs[name]), ("losscope", getattr(functional, name))):
                runs = [train(name, loss, dtype, seed) for seed in range(5)]
                silent = ", ".join("never" if run[0] is None else str(run[0]) for run in runs)
                low, high, right = (sum(run[i] for run in runs) / len(runs) for i in (1, 2, 3))
                print(
                    f"| {name} | {str(dtype)[6:]} | {who} | {silent} | {low:.4f}, {high:.4f} | {right:.2%} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
