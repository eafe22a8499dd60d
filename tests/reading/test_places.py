"""Links, devices and pipes: what is written stays what it was, what is read has an end."""

import os
import stat
from pathlib import Path

import pytest

from wtal_core.errors import WorkbookError
from wtal_core.evaluation.files import write_json, write_whole
from wtal_core.reading.places import is_special, refuse_special, resolved
from wtal_core.reading.tensors import checksum, read_arrays, read_safetensors, read_torch

ZERO = os.makedev(1, 5)  # a device that gives zeros without end


def node(path: Path) -> Path:
    """A device of our own that gives zeros without end; skips where none can be made and read."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, ZERO)
        with path.open("rb") as file:
            file.read(1)
    except OSError:
        pytest.skip("no devices can be made here")
    return path


def looped(folder: Path) -> Path:
    """A link that leads to itself by another one."""
    (folder / "loop").symlink_to(folder / "other")
    (folder / "other").symlink_to(folder / "loop")
    return folder / "loop"


def test_a_link_is_written_through(tmp_path):
    (tmp_path / "far").mkdir()
    target = tmp_path / "far" / "x.json"
    target.write_text("old")
    link = tmp_path / "x.json"
    link.symlink_to(target)
    write_json({"a": 1}, link)
    assert link.is_symlink() and target.read_text() == '{"a": 1}'
    target.unlink()
    write_json({"a": 2}, link)
    assert link.is_symlink() and target.read_text() == '{"a": 2}'
    assert [path.name for path in (tmp_path / "far").iterdir()] == ["x.json"]


def test_a_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(WorkbookError, match=f"{name}: is a device or a pipe, no file; name a"):
            write_whole(tmp_path / name, lambda path: path.write_text("new"))
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"]


def test_a_device_is_not_replaced(tmp_path):
    device = node(tmp_path / "device")
    with pytest.raises(WorkbookError, match="is a device or a pipe"):
        write_whole(device, lambda path: path.write_text("new"))
    assert stat.S_ISCHR(device.stat().st_mode) and len(list(tmp_path.iterdir())) == 1


def test_a_place_that_is_a_circle_of_links(tmp_path):
    for path in (looped(tmp_path), tmp_path / "loop" / "x"):
        with pytest.raises(WorkbookError, match="its links lead in a circle"):
            resolved(path)
    with pytest.raises(WorkbookError, match="can name no file"):
        resolved(Path("a\0b"))
    assert resolved(tmp_path / "none" / ".." / "x") == tmp_path.resolve() / "x"
    assert not is_special(tmp_path / "loop") and not is_special(tmp_path / "none")
    refuse_special(tmp_path)


@pytest.mark.parametrize("read", [read_torch, read_safetensors, read_arrays, checksum])
def test_weights_are_not_read_of_a_device(tmp_path, read):
    with pytest.raises(WorkbookError, match="is a device"):
        read(node(tmp_path / "weights.pt"))


@pytest.mark.parametrize("read", [read_torch, read_safetensors, read_arrays])
def test_weights_are_not_read_of_a_pipe(tmp_path, read):
    """They are opened more than once."""
    os.mkfifo(tmp_path / "weights.pt")
    with pytest.raises(WorkbookError, match="is a device or a pipe"):
        read(tmp_path / "weights.pt")


def test_a_notebook_is_no_device_and_a_linked_one_stays_linked(tmp_path):
    execution = pytest.importorskip("wtal_core.workbook.execution")
    os.mkfifo(tmp_path / "a.ipynb")
    with pytest.raises(WorkbookError, match="is a device or a pipe"):
        execution.opened(tmp_path / "a.ipynb")
    with pytest.raises(WorkbookError, match="is a device"):
        execution.opened(node(tmp_path / "b.ipynb"))


@pytest.mark.parametrize("name", ["lite0_flow", "i3d"])
def test_weights_of_a_backbone_are_not_read_of_a_device(tmp_path, name):
    module = pytest.importorskip(f"wtal_core.videos.{name}")
    with pytest.raises(WorkbookError, match="weights"):
        getattr(module, name)(weights=node(tmp_path / "weights.pt"))
