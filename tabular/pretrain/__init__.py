"""Pretraining of the tabular model: synthetic priors, the network in PyTorch, training, evaluation and export."""
