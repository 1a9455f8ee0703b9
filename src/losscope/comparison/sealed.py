"""Plain data as JSON that carries a hash of itself: what was cut or changed on disk, by a hand or a fault, is told from
what was written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def sealed(data: Mapping[str, Any]) -> str:
    """The data as a line of JSON, with a hash of all of it under the name `whole`.

    >>> text = sealed({"loss": "mse", "mean": 1.5})
    >>> unsealed(text), unsealed(text.replace("1.5", "2.5")), unsealed(text[:-3])
    ({'loss': 'mse', 'mean': 1.5}, None, None)
    """
    return json.dumps({**data, "whole": _hash(data)}, allow_nan=False) + "\n"


def unsealed(content: str | bytes) -> dict[str, Any] | None:
    """The data again; None for whatever is not as it was written."""
    try:
        data = json.loads(content)
        if isinstance(data, dict) and data.pop("whole", None) == _hash(data):
            return data
    except (ValueError, RecursionError, MemoryError):  # no JSON, or more of it than can be read
        pass
    return None


def _hash(data: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]
