"""A kernel of a notebook is spoken to through files, and they are gone with its manager."""

import sys
import tempfile
from pathlib import Path

import pytest
from jupyter_client.manager import KernelManager

from wtal_core.workbook.kernel_sockets import LONGEST, WithoutPorts


class Manager(WithoutPorts, KernelManager):
    """As nbval's."""


@pytest.fixture
def short(monkeypatch):
    """A folder with a path short enough for a socket, as pytest's own need not be."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="sockets that are files")
def test_the_folder_of_the_sockets_is_private_and_goes_with_the_manager(short):
    managers = [Manager(), Manager()]
    folders = [Path(manager.ip).parent for manager in managers]
    assert {manager.transport for manager in managers} == {"ipc"}
    assert sorted(short.iterdir()) == sorted(set(folders)) and len(set(folders)) == 2
    assert {folder.stat().st_mode & 0o777 for folder in folders} == {0o700}
    managers.clear()
    assert list(short.iterdir()) == []


def test_where_a_path_is_too_long_for_a_socket_there_are_ports(tmp_path, monkeypatch):
    deep = tmp_path / ("x" * LONGEST)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    assert Manager().transport == "tcp"
