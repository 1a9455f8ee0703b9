"""The table of docs/torch.md: which losses of PyTorch run on a kernel of ours, and which on PyTorch's own code.

    python -m losscope.torch.table          # prints it

It is made from the functions themselves: what is PyTorch's own object there, says so here.
"""

from __future__ import annotations

from losscope.torch import functional, nn

# Of functions that have a kernel, what they leave to PyTorch beyond what all of them do.
LEAVES = {
    "mse_loss": "a weight that wants a gradient",
    "l1_loss": "complex numbers; a weight that wants a gradient",
    "smooth_l1_loss": "",
    "huber_loss": "a weight that wants a gradient",
    "binary_cross_entropy": "a weight that wants a gradient",
    "binary_cross_entropy_with_logits": "`pos_weight` that wants a gradient, or under `torch.compile`",
    "poisson_nll_loss": "`full=True` with a target that wants a gradient",
    "kl_div": "",
    "soft_margin_loss": "",
    "hinge_embedding_loss": "a target that wants a gradient",
    "gaussian_nll_loss": "a target that broadcasts; `torch.compile`",
    "multi_margin_loss": "up to 20,000 scores, where PyTorch is quicker; `torch.compile`",
    "multilabel_margin_loss": "up to 20,000 scores",
    "margin_ranking_loss": "inputs that differ in shape; `torch.compile`",
    "multilabel_soft_margin_loss": "a weight that wants a gradient",
    "cross_entropy": "a target or weight that wants a gradient",
    "ctc_loss": "all, once its targets are laid out one after the other",
    "cosine_embedding_loss": "targets other than 1 and -1; `torch.compile`",
    "triplet_margin_loss": "`p` other than 2; `torch.compile`",
    "triplet_margin_with_distance_loss": "a `distance_function` that is not Euclidean; `torch.compile`",
    "linear_cross_entropy": "`options`; weights of more than two axes; other devices, `torch.func`, `torch.compile`, autocast",
}

# Of functions that have none, why not, where it was measured.
BECAUSE = {
    "nll_loss": ": it writes zeros and one number a row, which at 100 x 10 is quicker than any call from Python",
}


def table() -> str:
    """One row per function, in Markdown."""
    lines = ["| function | class | runs on | left to PyTorch |", "|---|---|---|---|"]
    for name in functional.__all__:
        classes = ", ".join(f"`{each}`" for each, function in nn.FUNCTION_OF.items() if function == name)
        ours = getattr(functional, name) is not functional.torchs[name]
        lines.append(
            f"| `{name}` | {classes} | {'PyTorch' if not ours or LEAVES[name].startswith('all') else 'our kernel'} | {LEAVES[name] if ours else 'all' + BECAUSE.get(name, '')} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
