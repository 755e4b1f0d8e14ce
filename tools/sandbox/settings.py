"""What can be set about the sandbox: how much the code may use, never whether it is contained."""

from __future__ import annotations

from pydantic import Field

from tools.tool import ToolSettings

IMAGE = "vista-rllib-sandbox:1"
"""What `docker/build.sh` builds. The number changes with docker/sandbox/, so that no old image is used by mistake."""
MEBIBYTE = 1 << 20


class SandboxSettings(ToolSettings):
    """Limits of one container, of one call, and of the pool of containers."""

    image: str = IMAGE
    """Docker image with Python and the packages."""
    memory_mb: int = Field(default=256, ge=160)
    """MiB of memory, the files in the work folder and about 110 MiB for Python and the packages included. No swap."""
    pids: int = Field(default=64, ge=8)
    """Processes and threads."""
    cpus: float = Field(default=1.0, gt=0)
    """Share of the machine's processor time, in cores."""
    work_mb: int = Field(default=64, ge=1)
    """MiB of the work folder, which is in memory."""
    work_files: int = Field(default=4096, ge=64)
    """Files and folders in the work folder."""
    output_bytes: int = Field(default=MEBIBYTE, ge=1, le=MEBIBYTE)
    """Bytes of output that are read; what comes after them is counted and dropped."""
    text_characters: int = Field(default=8_000, ge=100, le=MEBIBYTE)
    """Characters of output that the policy reads: the beginning and the end."""
    images: int = Field(default=4, ge=0)
    """Pictures that one call gives back."""
    image_bytes: int = Field(default=4 * MEBIBYTE, ge=1)
    """Bytes of one picture's file."""
    image_pixels: int = Field(default=4_000_000, ge=1)
    """Pixels of one picture."""
    warm: int = Field(default=2, ge=0)
    """Containers kept ready for episodes to come, from the first call on."""
    max_containers: int = Field(default=32, ge=1)
    """Containers of episodes at the same time; the one that was idle for longest makes room."""
    idle_s: float = Field(default=900.0, gt=0)
    """Seconds without a call after which a container ends."""
