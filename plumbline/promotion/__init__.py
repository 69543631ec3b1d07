"""Which bundle is a pipeline's current one, and what has to happen before another is."""
