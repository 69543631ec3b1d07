"""The training loop: many steps per compiled call, over rows that lie on the device.

`keras.Model.fit` brings every batch to the device and comes back to Python after every few
steps. Here the rows are on the device once, an epoch's shuffle is a permutation of their
places, and the loop over the steps, each of them Keras' own `train_step`, is compiled.
"""
