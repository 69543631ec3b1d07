"""The rules of the audit: each reads the evidence and yields what it finds.

One module by theme, one function by check.
"""
