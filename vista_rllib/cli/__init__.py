"""The commands `rllib` and `vista`."""
