"""Quantisation-aware training: a planned graph as a PyTorch module with fake quantisation where the plan has it."""
