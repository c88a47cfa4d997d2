"""Evaluation: protocols, metrics and what they print."""
