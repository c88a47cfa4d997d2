"""From checkpoints of reference projects to the weights of our models."""
