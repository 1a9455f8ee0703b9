"""PyTorch: losses that take tensors and give differentiable tensors."""
