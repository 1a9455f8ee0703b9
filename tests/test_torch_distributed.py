"""The recipe of docs/torch.md for uneven batches over ranks, in two real processes."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import torch.multiprocessing as mp  # noqa: E402

import losscope  # noqa: E402

SIZES = (3, 13)


def recipe() -> dict:
    """`loss_over_ranks`, as the documentation has it."""
    text = (Path(__file__).parent.parent / "docs/torch.md").read_text()
    (block,) = re.findall(r"```python\n(def loss_over_ranks.*?)\n\nloss_over_ranks\(", text, re.DOTALL)
    space = {"torch": torch, "losscope": losscope}
    exec(block, space)
    return space


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    t = torch.randint(0, 4, (sum(SIZES),), generator=generator)
    t[[1, 7]] = -100
    return torch.randn(sum(SIZES), 6, generator=generator, dtype=torch.float64), t


def model() -> torch.nn.Module:
    torch.manual_seed(1)
    return torch.nn.Linear(6, 4, dtype=torch.float64)


def work(rank: int, folder: str) -> None:
    import torch.distributed as dist

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=len(SIZES))
    x, t = batch()
    rows = slice(sum(SIZES[:rank]), sum(SIZES[: rank + 1]))
    gradients = {}
    for name in ("ours", "usual"):
        replica = torch.nn.parallel.DistributedDataParallel(model())
        logits = replica(x[rows])
        if name == "ours":
            loss = recipe()["loss_over_ranks"](losscope.cross_entropy.total(logits, t[rows]))
        else:
            loss = torch.nn.functional.cross_entropy(logits, t[rows])
        loss.backward()
        gradients[name] = replica.module.weight.grad
    torch.save(gradients, f"{folder}/{rank}.pt")
    while not all(Path(folder, f"{each}.pt").exists() for each in range(len(SIZES))):
        time.sleep(0.01)  # who leaves first would close what the other still reads from
    # Gloo's thread drops its last work under the GIL. An interpreter that ends meanwhile aborts it ("terminate called
    # without an active exception"), or waits for it with the GIL held, for ever. So does destroy_process_group.
    os._exit(0)


def test_uneven_batches_over_ranks(tmp_path):
    mp.spawn(work, (str(tmp_path),), nprocs=len(SIZES))
    alone = model()
    losscope.cross_entropy(alone(batch()[0]), batch()[1]).backward()
    truth = alone.weight.grad
    for rank in range(len(SIZES)):
        gradients = torch.load(tmp_path / f"{rank}.pt")
        torch.testing.assert_close(gradients["ours"], truth, rtol=1e-12, atol=1e-14)
        assert (
            gradients["usual"] - truth
        ).norm() > 0.1 * truth.norm()  # the mean of means: wrong by a tenth and more
