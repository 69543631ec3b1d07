"""How weights move: optimizer, course of the learning rate, batch sizes, precision."""
