"""The rows that models are trained on and chosen by, written back to PostgreSQL."""
