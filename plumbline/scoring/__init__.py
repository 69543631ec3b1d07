"""Batch scoring: raw rows from files, queries or a snapshot, into files or a table."""
