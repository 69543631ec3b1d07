"""Metrics with intervals, the paired comparison, the verdict and its figures."""
