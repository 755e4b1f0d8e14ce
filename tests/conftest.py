"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# A property is right or wrong, however slow the machine is.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data next to the project; tests that need it are skipped where it is absent."""
    path = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip("no ../shared/data folder with real charts beside the project")
    return path


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """One local Ray instance for the whole session (starting one takes seconds)."""
    import ray

    os.environ.setdefault("RAY_worker_niceness", "0")  # 15 by default: starved where other work runs beside the tests
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, ignore_reinit_error=True)
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def serve_session(ray_session: None) -> Iterator[None]:
    """Ray Serve on that Ray, for the whole session."""
    from ray import serve

    yield
    serve.shutdown()
