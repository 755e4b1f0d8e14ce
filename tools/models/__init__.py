"""Backends that load a model's released weights, one model per file."""
