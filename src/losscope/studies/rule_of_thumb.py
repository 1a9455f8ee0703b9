"""Study 5: Regression: squared error; classification: cross-entropy. When is that good advice, and when not?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np

import losscope as ls
from losscope.report import Bars, Chart, Panel, Table
from losscope.studies import lines, problems, verdict
from losscope.studies.damage import AS_THEY_ARE, CAPPED, FIFTH, GROSS, HEAVY, OF_CLASSES, OF_NUMBERS, TWO_FIFTHS, WHEN
from losscope.studies.datasets import mnist
from losscope.studies.networks import one_thread
from losscope.studies.study import DOES_NOT_HOLD, HOLDS, Claim, Progress, Range, Result, say, silent
from losscope.studies.text import joined
from losscope.studies.trials import ABSOLUTE, CROSS, FOR_CLASSES, FOR_NUMBERS, HUBER, SIGMOID, SQUARED, tried
from losscope.studies.tuned import Plan
from losscope.studies.verdict import Interval
from losscope.studies.views import Record, label_of, pivot
