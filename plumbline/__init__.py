"""What Plumbline computes. Never imports dagster."""
