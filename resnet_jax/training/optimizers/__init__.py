"""Rows of optim.OPTIMIZERS, and what changes the gradients of any of them."""
