"""Smaller networks from trained ones: folded, pruned, distilled, quantised."""
