"""The trajectory log: every finished episode, exactly, in Arrow; read, recovered, compacted and regraded."""

from vista_rllib.trajectories.compact import compact
from vista_rllib.trajectories.reader import find_image, iter_batches, iter_trajectories, read_trajectories, recover
from vista_rllib.trajectories.schema import SCHEMA, Trajectory, TrajectoryLogError
from vista_rllib.trajectories.writer import TrajectoryWriter

__all__ = [
    "SCHEMA",
    "Trajectory",
    "TrajectoryLogError",
    "TrajectoryWriter",
    "compact",
    "find_image",
    "iter_batches",
    "iter_trajectories",
    "read_trajectories",
    "recover",
]
