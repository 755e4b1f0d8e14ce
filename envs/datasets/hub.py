"""Mirrors straight from the Hugging Face hub: `hub:owner/name` or `hub:owner/name/folder` in place of a path."""

from __future__ import annotations

from pathlib import Path

from envs.datasets.registry import DatasetError
from tools.errors import FaultError, boundary

PREFIX = "hub:"


def is_hub(source: Path) -> bool:
    """Whether `source` names a dataset on the hub."""
    return str(source).startswith(PREFIX)


def download(source: Path) -> Path:
    """The local folder with a hub dataset's Parquet files, downloaded where the hub's own cache lacks them.

    Raises:
        DatasetError: the name is malformed, there is no such dataset, it needs a login, or the hub cannot be reached.
    """
    parts = str(source).removeprefix(PREFIX).strip("/").split("/")
    if len(parts) < 2 or not all(parts):
        raise DatasetError(f"{source}: expected hub:owner/name or hub:owner/name/folder")
    repo, folder = "/".join(parts[:2]), "/".join(parts[2:])
    try:
        with boundary(str(source)):
            from huggingface_hub import snapshot_download

            pattern = f"{folder}/**.parquet" if folder else "**.parquet"
            found = snapshot_download(repo, repo_type="dataset", allow_patterns=[pattern, pattern.replace("**", "*")])
    except FaultError as error:
        raise DatasetError(
            f"{source}: cannot be downloaded: {error.fault.kind}: {error.fault.message}. Download it elsewhere with "
            f"`hf download {repo} --repo-type dataset --include '*.parquet'` and give its folder"
        ) from error
    path = Path(found) / folder
    if not any(path.rglob("*.parquet")):
        raise DatasetError(f"{source}: the dataset has no Parquet files there")
    return path
