"""Any formula you write: exact, or you are told.

`certify` (kept on disk) -> `mending` -> `mend` (a search among the rewrites of `losscope.rewrite`) -> `bench` (what kernels
compute beside the truth, at `samples` of every size) -> `certificate`, the result; `told` says it in words.
"""
