"""The untuned models that a network has to beat, and the gate before its training."""
