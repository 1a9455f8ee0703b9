"""Train a small network on digits in MNIST's format, as any PyTorch script does; the learning curve goes out as JSON.

    python digits_example.py FOLDER --model cnn --loss cross_entropy

It knows nothing of losscope: tests/test_torch_training.py runs it as it is, with and without `patch()`.
"""

import argparse
import gzip
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3)
        self.conv2 = nn.Conv2d(8, 16, 3)
        self.dropout = nn.Dropout(0.25)
        self.hidden = nn.Linear(16 * 12 * 12, 64)
        self.out = nn.Linear(64, 10)

    def forward(self, image):
        x = F.relu(self.conv1(image))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.hidden(self.dropout(x.flatten(1))))
        return self.out(x)


class MLP(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(28 * 28, 64), nn.Tanh(), nn.Linear(64, 10))


class Digits(torch.utils.data.Dataset):
    def __init__(self, folder, part, count):
        self.images = self.read(folder / f"{part}-images-idx3-ubyte.gz", 16)
        self.labels = self.read(folder / f"{part}-labels-idx1-ubyte.gz", 8)[:count]
        self.images = self.images.reshape(-1, 1, 28, 28)[:count]

    @staticmethod
    def read(path, header):
        with gzip.open(path) as file:
            return np.frombuffer(file.read(), np.uint8, offset=header)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return (torch.from_numpy(self.images[i] / np.float32(255)) - 0.1307) / 0.3081, int(self.labels[i])


def train(model, loader, optimizer, loss, curve):
    model.train()
    for image, label in loader:
        optimizer.zero_grad()
        value = loss(model(image), label)
        value.backward()
        optimizer.step()
        curve.append(value.item())


@torch.no_grad()
def test(model, loader):
    model.eval()
    loss = right = count = 0
    for image, label in loader:
        output = model(image)
        loss += F.cross_entropy(output, label, reduction="sum").item()
        right += (output.argmax(1) == label).sum().item()
        count += len(label)
    return loss / count, right / count


def negative_log_likelihood(output, label):
    return F.nll_loss(F.log_softmax(output, dim=1), label)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", choices=["cnn", "mlp"], default="cnn")
    parser.add_argument("--loss", choices=["cross_entropy", "nll"], default="cross_entropy")
    parser.add_argument("--count", type=int, default=2048)
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()
    torch.manual_seed(1)
    model = CNN() if options.model == "cnn" else MLP()
    loss = nn.CrossEntropyLoss() if options.loss == "cross_entropy" else negative_log_likelihood
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loaders = [
        torch.utils.data.DataLoader(
            Digits(options.folder, part, options.count),
            batch_size=64,
            shuffle=part == "train",
            num_workers=2,
            multiprocessing_context="fork",
        )
        for part in ("train", "t10k")
    ]
    curve, tests = [], []
    for _ in range(options.epochs):
        train(model, loaders[0], optimizer, loss, curve)
        tests.append(test(model, loaders[1]))
    print(json.dumps({"curve": curve, "tests": tests}))


if __name__ == "__main__":
    main()
