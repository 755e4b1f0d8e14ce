"""What surrounds a training run: the tuned example, overrides, the results folder, tables and curves."""
