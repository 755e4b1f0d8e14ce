"""Backends that load a model's released weights: one module per model, imported without loading anything."""
