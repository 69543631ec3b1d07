"""Bundles in formats that others serve: the same scores from raw rows, without Plumbline."""
