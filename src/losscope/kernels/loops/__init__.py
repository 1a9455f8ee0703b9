"""The loops, one file a kind: what a kernel does with a block of elements or rows, as functions over lanes.

Each module has `signature`, the words of a call and the shapes of what they are the addresses of, and `trace`, which writes
the loop of one loss for one dtype; its upper-case names are what a kernel may be wanted to do.
"""
