"""Verified Fashion-MNIST: from four files somewhere to a split on a device.

`spec` says what is wanted, `source` finds and reads it, `fetch` gets it when it is nowhere;
`content` and `idx` know the bytes.
"""
