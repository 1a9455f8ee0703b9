"""Losses: what a user holds and calls (`loss`), by which names it is found, its parameters, how a call is computed."""

from losscope.loss.loss import Loss as Loss
