"""Functions of `geometry_calculator`: one module per kind of shape, registered by name in `tools.geometry.function`."""
