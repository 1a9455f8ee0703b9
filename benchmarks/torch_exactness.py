"""What an exact gradient buys: `python benchmarks/torch_exactness.py`.

A separable problem (64 points in 32 dimensions, two classes whose clouds barely part) is learnt by a linear model
under cross-entropy and normalised gradient descent, whose direction tends to that of the largest margin for as long
as there is a gradient. Everything is equal but who computes the loss. PyTorch's float32 (and bfloat16) gradient
becomes exactly 0 once every point is classified with a lead of about 17 (6): learning stops there, with the margin
it had. Test points are judged as well, as the point of a margin is what it does for new data.
"""

from __future__ import annotations

import torch

from losscope.torch import functional

STEPS = 3_000


def data(generator: torch.Generator, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    label = torch.arange(count) % 2
    x = torch.randn(count, 32, generator=generator, dtype=torch.float64)
    x[:, 0] = (2 * label - 1) * (0.6 + x[:, 0].abs() * 0.6)
    return x, label


def train(loss, dtype: torch.dtype, seed: int) -> tuple[int | None, float, float]:
    """The first step without any gradient, the margin at the end, and the accuracy on new data."""
    generator = torch.Generator().manual_seed(seed)
    x, t = data(generator, 64)
    new, truth = data(generator, 4000)
    rows = x.to(dtype)
    w = torch.zeros(2, 32, dtype=torch.float64)
    stopped = None
    for step in range(STEPS):
        # The parameters and the update are float64 for all: the dtype is that of the logits and their loss.
        logits = (rows.double() @ w.T).to(dtype).requires_grad_()
        (upstream,) = torch.autograd.grad(loss(logits, t), logits)
        gradient = upstream.double().T @ rows.double()
        size = gradient.norm()
        if size == 0:
            stopped = step
            break
        w -= 0.1 * gradient / size
    lead = (x @ (w[1] - w[0])) * (2 * t - 1)
    margin = float(lead.min() / (w[1] - w[0]).norm())
    return stopped, margin, float(((new @ w.T).argmax(1) == truth).double().mean())


def main() -> None:
    torch.set_num_threads(1)
    print("| logits | loss | stops at step | margin at the end | new data right |\n|---|---|---|---|---|")
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        for name, loss in (("PyTorch", functional.torchs["cross_entropy"]), ("losscope", functional.cross_entropy)):
            runs = [train(loss, dtype, seed) for seed in range(3)]
            stops = ", ".join("never" if stop is None else str(stop) for stop, _, _ in runs)
            margin, right = (sum(run[i] for run in runs) / len(runs) for i in (1, 2))
            print(f"| {str(dtype)[6:]} | {name} | {stops} | {margin:.4f} | {right:.2%} |", flush=True)


if __name__ == "__main__":
    main()
