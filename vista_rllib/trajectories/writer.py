"""`TrajectoryWriter`: what one worker process appends its finished episodes to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import pyarrow as pa

from envs.task import IMAGE_SCHEMA
from tools.image import Image
from vista_rllib.trajectories.schema import SCHEMA, Trajectory, to_batch
from vista_rllib.trajectories.stream_file import StreamFile, log_error

EPISODES, IMAGES, SUFFIX = "episodes", "images", ".arrows"
"""Stream files are `episodes-<worker>-<n>.arrows` and `images-<worker>-<n>.arrows`; n counts restarts."""


class TrajectoryWriter:
    """Appends episodes to `episodes-*.arrows` and each new image to `images-*.arrows` in one folder.

    Every `write` is one batch, handed to the operating system before it returns: a killed process loses nothing that
    was written. A context manager; not for several threads.
    """

    def __init__(self, folder: str | Path, worker_index: int, *, run_id: str = "") -> None:
        """Opens new files in `folder` (made if needed). Existing ones are left alone.

        Raises:
            TrajectoryLogError: the files cannot be made; names the file and the errno.
        """
        self.folder, self.worker_index, self.run_id = Path(folder), worker_index, run_id
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise log_error(self.folder, error) from error
        restart = len(list(self.folder.glob(f"{EPISODES}-{worker_index:03d}-*{SUFFIX}")))
        while (path := self._path(EPISODES, restart)).exists() or self._path(IMAGES, restart).exists():
            restart += 1
        # Quick here, small after compaction.
        self._episodes = StreamFile(path, SCHEMA, "lz4")
        # Encoded images do not compress further.
        self._images = StreamFile(self._path(IMAGES, restart), IMAGE_SCHEMA, None)
        self._seen: set[str] = set()

    def _path(self, kind: str, restart: int) -> Path:
        return self.folder / f"{kind}-{self.worker_index:03d}-{restart:03d}{SUFFIX}"

    @property
    def path(self) -> Path:
        """The episode stream."""
        return self._episodes.path

    def write(self, trajectories: Sequence[Trajectory]) -> None:
        """Appends one batch of episodes, after the images they mention that are not in this worker's file yet.

        Raises:
            TrajectoryLogError: a write failed (a full disk); earlier batches stay readable, this one may be repeated.
        """
        if not trajectories:
            return
        new = {key: image for t in trajectories for key, image in t.images.items() if key not in self._seen}
        if new:
            self._images.append(_image_batch(list(new.values())))
            self._seen |= new.keys()
        self._episodes.append(to_batch(trajectories, self.run_id, self.worker_index))

    def close(self) -> None:
        """Ends both streams; further calls do nothing."""
        self._images.close()
        self._episodes.close()

    def __enter__(self) -> TrajectoryWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _image_batch(images: Sequence[Image]) -> pa.RecordBatch:
    sizes = [image.size for image in images]
    columns = [
        pa.array([image.hash for image in images], pa.string()),
        pa.array([width for width, _ in sizes], pa.int32()),
        pa.array([height for _, height in sizes], pa.int32()),
        pa.array([image.data for image in images], pa.large_binary()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=IMAGE_SCHEMA)
