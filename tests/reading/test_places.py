"""Links, devices and pipes: what is written stays what it was, what is read has an end."""

import os
import stat
from pathlib import Path

import pytest

from wtal_core.cli import main
from wtal_core.data.restricted_pickle import load_object_array
from wtal_core.data.stored import hdf5_arrays, npy_array, npz_arrays
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.files import write_json, write_whole
from wtal_core.reading.parquet import read_table
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


@pytest.mark.parametrize("ending", [".npy", ".npz", ".h5", ".parquet", ".objects"])
def test_arrays_and_tables_are_not_read_of_a_pipe(tmp_path, ending):
    """Their readers look at a file in several places."""
    readers = {
        ".npy": npy_array,
        ".npz": npz_arrays,
        ".h5": hdf5_arrays,
        ".parquet": read_table,
        ".objects": load_object_array,
    }
    os.mkfifo(tmp_path / f"a{ending}")
    with pytest.raises(WorkbookError, match="is a device or a pipe"):
        readers[ending](tmp_path / f"a{ending}")


def test_links_in_a_circle_are_one_line_of_a_command(tmp_path, capsys):
    loop = looped(tmp_path)
    commands = (
        ("reproduce", "facnet/table3", "--results", loop),
        ("data", "fetch", "hapt", "--root", loop, "--mirror", loop),
        ("results", "check", "--results", loop, "--no-behaviour"),
    )
    for words in commands:
        with pytest.raises(SystemExit) as ended:
            main(list(map(str, words)))
        said = capsys.readouterr()
        assert ended.value.code in (1, 2) and "Traceback" not in said.err
        assert "circle" in said.err + said.out, words


def test_a_notebook_is_no_device(tmp_path):
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
