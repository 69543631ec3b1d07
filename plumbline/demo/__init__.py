"""Real data to try Plumbline on."""
