"""Lanes -> machine code. Knows LLVM, and nothing of losses. README.md says what is where."""
