"""Losses as registered torch operators: what a compiler sees. (stub)"""

def traced(*args):
    return None
