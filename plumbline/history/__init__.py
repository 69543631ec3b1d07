"""What became of rows and versions over time: differences, traces, erasure."""
