"""Rules: each reads the evidence and yields what it finds."""
