"""The library grows by files alone: entries, a structure of two statistics with its loops, and nothing else edited."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")


def test_files_added_to_four_folders_are_losses_like_all_others() -> None:
    done = subprocess.run(
        [sys.executable, Path(__file__).parent / "grown.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split() == ["listed", "described", "right", "tensors", "refused", "combined"]
