"""MulticlassMargin: rows of scores, some of whose classes are right; one term for each right class and each that is not.

A formula may use `difference` (short: `d`) = score of the rival - score of the right class. The loss of a row is the
sum of its terms over the number of classes. Entries so far are PyTorch's own (`losscope.torch.variants`): the
catalogue has none.
"""

from __future__ import annotations

from losscope import domain
from losscope.entry import Entry
from losscope.structures.structure import Structure


class MulticlassMargin(Structure):
    name = kernel = "multiclass_margin"
    judges = "scores"
    arguments = ("difference",)
    variable = "difference"
    short = {"difference": "difference", "d": "difference"}
    defaults = {"task": "classes", "target": domain.class_index}
    definable = False

    def shapes(self, entry: Entry) -> str:
        return "prediction (..., classes) of scores; target (...) of right classes"


STRUCTURE = MulticlassMargin()
multiclass_margin = STRUCTURE.entry
