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
def single_thread() -> Iterator[None]:
    """One thread for torch: models as small as the tests' only lose time to more."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny_detector(single_thread: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a tiny Grounding DINO."""
    import tiny_tools

    return tiny_tools.grounding_dino(tmp_path_factory.mktemp("grounding_dino"))


@pytest.fixture(scope="session")
def tiny_segmenter(single_thread: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a tiny SAM 2.1."""
    import tiny_tools

    return tiny_tools.sam2(tmp_path_factory.mktemp("sam2"))


@pytest.fixture(scope="session")
def tiny_upscaler(single_thread: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a tiny Swin2SR."""
    import tiny_tools

    return tiny_tools.swin2sr(tmp_path_factory.mktemp("swin2sr"))


@pytest.fixture(scope="session")
def serve_session(ray_session: None) -> Iterator[None]:
    """Ray Serve on that Ray, for the whole session."""
    from ray import serve

    yield
    serve.shutdown()
