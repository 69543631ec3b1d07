"""Features on one scale, by statistics of the training rows only."""
