"""Backends that run released model weights, one module each."""
