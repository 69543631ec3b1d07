"""What is recorded, and when: Dagster assets, checks and resources. No arithmetic."""
