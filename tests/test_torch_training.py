"""A training script that nobody wrote for us: the shape of PyTorch's MNIST example, with and without `patch()`.

A small CNN and an MLP, AdamW, a DataLoader with forked workers whose dataset calls a loss itself. The data are
made here (digits of noise around ten templates), so that no download is needed.
"""

from __future__ import annotations

import contextlib

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

from losscope.torch import functional, patch  # noqa: E402


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, 1)
        self.conv2 = nn.Conv2d(8, 16, 3, 1)
        self.fc1 = nn.Linear(16 * 4 * 4, 32)
        self.fc2 = nn.Linear(32, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc2(x)


class MLP(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(144, 32), nn.Tanh(), nn.Linear(32, 10))


class Digits(torch.utils.data.Dataset):
    """12x12 images, each with how far it is from its template, by a loss that is called in the worker."""

    def __init__(self, count):
        generator = torch.Generator().manual_seed(7)
        self.templates = torch.randn(10, 1, 12, 12, generator=generator)
        self.label = torch.randint(0, 10, (count,), generator=generator)
        self.image = self.templates[self.label] + 1.2 * torch.randn(count, 1, 12, 12, generator=generator)

    def __len__(self):
        return len(self.label)

    def __getitem__(self, i):
        return self.image[i], self.label[i], F.mse_loss(self.image[i], self.templates[self.label[i]])


def train(model_class, ours: bool) -> tuple[list[float], float, set[str]]:
    torch.manual_seed(0)
    model = model_class()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    criterion = nn.CrossEntropyLoss()  # made before the patch, as in a script that is already running
    data = Digits(512)
    loader = torch.utils.data.DataLoader(
        data,
        64,
        shuffle=True,
        num_workers=2,
        generator=torch.Generator().manual_seed(3),
        multiprocessing_context="fork",
    )
    curve, kinds = [], set()
    with patch() if ours else contextlib.nullcontext():
        for _ in range(3):
            for image, label, noise in loader:
                assert ((noise > 0.9) & (noise < 2.2)).all()
                optimizer.zero_grad()
                loss = criterion(model(image), label)
                kinds.add(type(loss.grad_fn).__name__)
                loss.backward()
                optimizer.step()
                curve.append(loss.item())
    right = (model(data.image).argmax(1) == data.label).double().mean().item()
    return curve, right, kinds


@pytest.mark.parametrize("model", [Net, MLP])
def test_the_learning_curve_is_the_same_with_and_without_patch(model):
    theirs, ours = train(model, False), train(model, True)
    assert ours[2] == {"_RowsBackward"}
    assert theirs[2] == {"NllLossBackward0"}
    assert theirs[0][-1] < 0.5 * theirs[0][0]  # it learns at all
    # Rounding grows from step to step: the first steps agree to float32's digits, the last to a percent.
    torch.testing.assert_close(torch.tensor(ours[0][:8]), torch.tensor(theirs[0][:8]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(torch.tensor(ours[0]), torch.tensor(theirs[0]), rtol=0.02, atol=2e-3)
    assert ours[1] == pytest.approx(theirs[1], abs=0.01)
    assert F.cross_entropy is functional.torchs["cross_entropy"]
