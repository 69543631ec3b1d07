"""Training in several processes that take their shares of the rows together."""
