"""The Keras network: architecture, training, history."""
