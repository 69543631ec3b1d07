"""SQL to a frozen, typed, hashed snapshot, and the audit of what was frozen."""
