"""`losscope plot mse mae smooth_l1 -o curves.svg`: value, gradient and curvature side by side."""

from __future__ import annotations

import argparse
from typing import Any

from losscope.cli import say


def add_parser(verbs: Any) -> None:
    parser = verbs.add_parser(
        "plot",
        help="draw value, gradient and curvature",
        description="Draw value, gradient and curvature of losses or activations, side by side.",
    )
    parser.add_argument("name", nargs="+", help="e.g. mse mae smooth_l1:beta=0.5 bce")
    parser.add_argument(
        "-o", "--out", default="curves.svg", help="an .svg, .png or .pdf file (default: %(default)s)"
    )
    parser.add_argument(
        "--range",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        help="range of the horizontal axis (default: -3 3)",
    )
    parser.add_argument(
        "--target", type=float, help="target to plot at, for losses that depend on more than the residual"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import losscope
    from losscope.report.curves import curves

    losses = [losscope.get(name) for name in args.name]
    chart = curves(losses, span=tuple(args.range) if args.range else (-3.0, 3.0), target=args.target)
    try:
        chart.save(args.out)
    except ValueError as error:
        raise losscope.LossError(str(error)) from None
    say(f"Wrote {args.out}")
    return 0
