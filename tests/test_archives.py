"""Archives read in place, and what is refused: names that leave them, bombs, damage."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from layouts import write, write_tar, write_zip
from layouts.files import picture

from envs.datasets import archive as archives
from envs.datasets import release as releases
from envs.datasets.archive import open_archive
from envs.datasets.convert import convert
from envs.datasets.reader import RecordError
from envs.datasets.registry import DatasetError, detect_dataset
from envs.datasets.release import Release

LEAVING = ["../evil.png", "a/../../evil.png", "/etc/passwd", "..\\evil.png", "C:\\evil.png", "C:evil.png"]
KINDS = [".zip", ".tar", ".tar.gz", ".tgz"]


def pack(path: Path, files: dict[str, bytes]) -> Path:
    """Packs by the kind that the name says."""
    if path.suffix == ".zip":
        return write_zip(path, files)
    return write_tar(path, files, "w" if path.suffix == ".tar" else "w:gz")


@pytest.mark.parametrize("kind", KINDS)
def test_members_are_read_in_any_order_and_at_once(kind: str, tmp_path: Path) -> None:
    files = {f"a/{n}.bin": bytes([n]) * (1000 * n + 1) for n in range(9)}
    archive = open_archive(pack(tmp_path / f"x{kind}", files))
    assert archive.names == set(files) and archive.size("a/3.bin") == 3001
    with archive.open("a/8.bin") as last, archive.open("a/0.bin") as first:
        assert last.read(5) == b"\x08" * 5 and first.read() == b"\0"
        assert last.read() == files["a/8.bin"][5:]
    for name in reversed(files):
        with archive.open(name) as file:
            assert file.read() == files[name]
    archive.close()
    with archive.open("a/2.bin") as file:
        assert file.read() == files["a/2.bin"], "closed archives open again"
    archive.close()


@pytest.mark.parametrize("kind", [".zip", ".tar", ".tar.gz"])
@pytest.mark.parametrize("name", LEAVING)
def test_members_that_leave_are_refused(name: str, kind: str, tmp_path: Path) -> None:
    path = pack(tmp_path / "raw" / f"x{kind}", {"train/train_human.json": b"[]", name: picture()})
    with pytest.raises(DatasetError, match="leaves the archive, which is refused"):
        open_archive(path)
    with pytest.raises(DatasetError, match="leaves the archive"):
        convert("chartqa", path.parent, tmp_path / "set")
    assert {p.name for p in tmp_path.rglob("*")} == {"raw", path.name}, "nothing was written"


@given(st.text(max_size=12) | st.text("/.\\ aC:", max_size=8))
def test_no_accepted_name_leaves(name: str) -> None:
    try:
        accepted = archives._check(Path("x.zip"), name, 1, 1)
    except DatasetError:
        return
    assert ".." not in Path(accepted).parts and not Path(accepted).is_absolute()


@pytest.mark.parametrize("kind", [".zip", ".tar.gz"])
def test_bombs_are_refused(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "RATIO_FROM", 1 << 20)
    path = pack(tmp_path / f"x{kind}", {"a.json": bytes(4 << 20)})
    with pytest.raises(DatasetError, match=r"member 'a.json' unpacks .* which is refused"):
        open_archive(path)


def test_the_limit_lets_real_sets_pass(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {"a.json": bytes(4 << 20)})  # 1000 to 1, but small
    assert open_archive(path).size("a.json") == 4 << 20
    assert archives.RATIO_FROM == 64 << 20 and archives.MAX_RATIO == 200


def test_zip_that_lies_about_its_size(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {"a.bin": bytes(range(256)) * 64})
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = (100).to_bytes(4, "little")  # the unpacked size in the directory
    path.write_bytes(bytes(data))
    with pytest.raises(DatasetError, match="cannot be read"):
        Release(tmp_path).read("a.bin")


def test_picture_of_too_many_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releases, "MAX_IMAGE_BYTES", 1000)
    write_zip(tmp_path / "x.zip", {"a.png": bytes(2000)})
    with pytest.raises(RecordError, match="image too large"):
        Release(tmp_path).image("a.png")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no zip", b"\x1f\x8b broken", b"x" * 600])
def test_damaged_archives(kind: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / f"x{kind}").write_bytes(data)
    with pytest.raises(DatasetError, match=r"damaged (zip|tar) file"):
        open_archive(tmp_path / f"x{kind}")
    with pytest.raises(DatasetError, match="known raw layout"):
        detect_dataset(tmp_path)


@pytest.mark.parametrize("kind", [".zip", ".tar.gz"])
def test_cut_archives(kind: str, tmp_path: Path) -> None:
    path = pack(tmp_path / f"x{kind}", {f"{n}.png": picture(n) for n in range(5)})
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(DatasetError, match="damaged"):
        open_archive(path)


def test_encrypted_member(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {"a.png": picture()})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(data))
    with pytest.raises(RecordError, match=r"(?s)image unreadable.*encrypted"):
        Release(tmp_path).image("a.png")


def test_links_and_devices_in_tars_are_not_files(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for name, kind in (("link", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE), ("device", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        info = tarfile.TarInfo("real")
        info.size = 2
        archive.addfile(info, io.BytesIO(b"ok"))
    assert open_archive(tmp_path / "x.tar").names == {"real"}


def test_changed_archive_is_read_anew(tmp_path: Path) -> None:
    write_zip(tmp_path / "x.zip", {"a.txt": b"1"})
    assert Release(tmp_path).read("a.txt") == b"1"
    write_zip(tmp_path / "x.zip", {"a.txt": b"22", "b.txt": b"3"})
    assert Release(tmp_path).read("a.txt") == b"22" and Release(tmp_path).has("b.txt")


def test_folder_comes_before_archive(tmp_path: Path) -> None:
    write(tmp_path, {"sub/a.txt": b"folder"})
    write_zip(tmp_path / "sub" / "x.zip", {"a.txt": b"archive", "b.txt": b"archive"})
    release = Release(tmp_path)
    assert release.read("sub/a.txt") == b"folder" and release.read("sub/b.txt") == b"archive"
    assert release.find("*.txt") == ["sub/a.txt", "sub/b.txt"] and release.folders("a.txt") == ["sub/"]
    with pytest.raises(DatasetError, match="no such file, in the folder or in an archive"):
        release.read("sub/c.txt")


@pytest.mark.parametrize("name", ["../x.png", "/x.png", "C:\\x.png", "a\0.png"])
def test_names_in_records_do_not_leave_the_release(name: str, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="unsafe image path"):
        Release(tmp_path).image(name)


def test_zip_of_a_release_with_data_errors(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {"train/train_human.json": b"[{"})
    with pytest.raises(DatasetError, match=r"train_human\.json: not JSON"):
        convert("chartqa", path, tmp_path / "set")
    corrupt: Any = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as file:
        start = file.infolist()[0].header_offset + 30 + len("train/train_human.json")
    corrupt[start] ^= 0xFF
    path.write_bytes(bytes(corrupt))
    with pytest.raises(DatasetError):
        convert("chartqa", path, tmp_path / "set")
    assert not (tmp_path / "set").exists()
