"""Training: losses, optimiser, state and the loop."""
