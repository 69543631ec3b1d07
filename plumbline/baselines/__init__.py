"""The untuned trees that a network has to beat, and the gate before its training."""
