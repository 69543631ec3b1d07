"""Hyperparameter search: networks trained on the training rows, compared on the validation rows."""
