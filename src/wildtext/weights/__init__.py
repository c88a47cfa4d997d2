"""Bundles of weights: the format, and those that ship."""
