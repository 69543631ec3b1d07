"""Every row to train, val or test, once; and the only door to the training rows."""
