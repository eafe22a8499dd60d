"""Weights and tensors in files of others: nothing is run, nothing promised is allocated."""

import os
import pickle
import time
import zipfile

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from tests.fuzz.damage import HOSTILE_PICKLES
from wtal_core.errors import WorkbookError
from wtal_core.reading.pickles import OF_TORCH, scan
from wtal_core.reading.tensors import read_arrays, read_safetensors, read_torch

SAVED = {"network": {"w": torch.ones(3), "n": 2}, "draw": [torch.zeros(2, 2), "a", None, 0.5]}


def rewritten(path, members, packing=zipfile.ZIP_STORED):
    """A file of torch.save with other members."""
    with zipfile.ZipFile(path) as archive:
        kept = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in kept.items():
            archive.writestr(name, members.get(name.rpartition("/")[2], content))


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "a.pt"
    torch.save(SAVED, path)
    return path


@pytest.mark.parametrize("mmap", [False, True])
def test_what_torch_wrote_is_read(saved, mmap):
    content = read_torch(saved, mmap=mmap)
    assert content["network"]["n"] == 2 and content["draw"][1:] == ["a", None, 0.5]
    torch.testing.assert_close(content["network"]["w"], torch.ones(3))


def test_the_state_of_an_optimizer_is_read(tmp_path):
    network = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(3)).sum().backward()
    optimizer.step()
    state = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save({**state, "random": torch.get_rng_state()}, tmp_path / "a.pt")
    read = read_torch(tmp_path / "a.pt")
    assert read["optimizer"]["state"].keys() == optimizer.state_dict()["state"].keys()
    torch.testing.assert_close(read["network"]["weight"], network.weight.detach())


@pytest.mark.parametrize("number", range(len(HOSTILE_PICKLES)))
def test_hostile_pickles_in_torch_files_neither_hang_nor_break(saved, number):
    rewritten(saved, {"data.pkl": HOSTILE_PICKLES[number]()})
    begin = time.process_time()
    try:
        content = read_torch(saved, "again")
        assert content == [] or isinstance(content, str)  # a plain pickle, if an odd one
    except WorkbookError as error:
        assert "a.pt is damaged or truncated" in str(error) and "\n" not in str(error)
    assert time.process_time() - begin < 5


@pytest.mark.parametrize("number", [0, 1, 2])
def test_nested_and_shared_values_are_refused_before_torch_sees_them(saved, number, monkeypatch):
    """A tuple nested as deeply as the third one, as a key, ends the interpreter."""
    monkeypatch.setattr(torch, "load", lambda *given, **options: pytest.fail("it was unpickled"))
    rewritten(saved, {"data.pkl": HOSTILE_PICKLES[number]()})
    with pytest.raises(WorkbookError, match=r"Refused: .* (deeper|values|nested)"):
        read_torch(saved)


def test_what_runs_a_command_is_refused_without_advice_to_run_it(tmp_path):
    class Runs:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    torch.save([Runs()], tmp_path / "a.pt")
    with pytest.raises(WorkbookError, match="something else than tensors and numbers") as refused:
        read_torch(tmp_path / "a.pt")
    assert "weights_only" not in str(refused.value)
    assert not (tmp_path / "made").exists()


def test_a_torch_file_whose_members_are_packed_promises_what_it_does_not_hold(saved):
    rewritten(saved, {"0": bytes(10**6)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(WorkbookError, match="it promises"):
        read_torch(saved)


def test_a_torch_file_without_a_list_of_tensors(saved):
    with zipfile.ZipFile(saved, "w") as archive:
        archive.writestr("a/b.pkl", pickle.dumps({}))
    with pytest.raises(WorkbookError, match="0 lists of tensors"):
        read_torch(saved)


@pytest.mark.parametrize("read", [read_safetensors, read_arrays])
@pytest.mark.parametrize("cut", [0, 7, 20, -1])
def test_safetensors_that_are_cut_off(tmp_path, read, cut):
    path = tmp_path / "a.safetensors"
    save_file({"w": np.ones(3, np.float32)}, path)
    assert list(read(path)) == ["w"]
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(WorkbookError, match=r"a\.safetensors is damaged or truncated .*; again"):
        read(path, "again")


def old_file(path, content, module=pickle):
    torch.save(content, path, pickle_module=module, _use_new_zipfile_serialization=False)
    return path


class OfPython2:
    """A `pickle` module that writes names as Python 2 did, in which published weights are."""

    PROTO, dumps = pickle.PROTO, pickle.dumps

    class Pickler(pickle._Pickler):
        def save_text(self, text):
            data = text.encode()
            self.write(pickle.SHORT_BINSTRING + bytes([len(data)]) + data)
            self.memoize(text)

        dispatch = pickle._Pickler.dispatch | {str: save_text}

    @staticmethod
    def dump(value, file, protocol):
        OfPython2.Pickler(file, protocol).dump(value)


@pytest.mark.parametrize("module", [pickle, OfPython2])
@pytest.mark.parametrize("mmap", [False, True])
def test_files_of_old_versions_of_pytorch_are_read(tmp_path, module, mmap):
    path = old_file(tmp_path / "a.pt", SAVED, module)
    assert (b"X\x07\x00\x00\x00network" in path.read_bytes()) == (module is pickle)
    content = read_torch(path, mmap=mmap)
    assert content["network"]["n"] == 2 and content["draw"][1:] == ["a", None, 0.5]
    torch.testing.assert_close(content["network"]["w"], torch.ones(3))


@pytest.mark.parametrize("number", range(len(HOSTILE_PICKLES)))
@pytest.mark.parametrize("place", [0, 3])
def test_hostile_pickles_in_old_files_neither_hang_nor_break(tmp_path, number, place):
    path = old_file(tmp_path / "a.pt", SAVED)
    content, ends = path.read_bytes(), [0]
    for _ in range(place + 1):
        ends.append(scan(content, ends[-1], OF_TORCH))
    hostile = HOSTILE_PICKLES[number]()
    path.write_bytes(content[: ends[place]] + hostile + content[ends[place + 1] :])
    begin = time.process_time()
    with pytest.raises(WorkbookError, match=r"a\.pt is damaged or truncated"):
        read_torch(path)
    assert time.process_time() - begin < 5


def test_an_old_file_is_scanned_though_a_zip_follows_in_it(tmp_path, saved, monkeypatch):
    """PyTorch goes by the first bytes, Python's zipfile by the last ones."""
    monkeypatch.setattr(torch, "load", lambda *given, **options: pytest.fail("it was unpickled"))
    saved.write_bytes(HOSTILE_PICKLES[2]() + saved.read_bytes())
    assert zipfile.is_zipfile(saved)
    with pytest.raises(WorkbookError, match="Refused"):
        read_torch(saved)


def test_an_old_file_that_runs_a_command_is_refused(tmp_path):
    class Runs:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    path = old_file(tmp_path / "a.pt", [Runs()])
    with pytest.raises(WorkbookError, match="something else than tensors and numbers"):
        read_torch(path)
    assert not (tmp_path / "made").exists()


def test_an_old_file_promises_no_more_bytes_than_it_has(tmp_path):
    """The number of values of a tensor whose name is not among those that follow."""
    content = old_file(tmp_path / "a.pt", {"w": torch.ones(1000)}).read_bytes()
    ends = [0]
    for _ in range(5):
        ends.append(scan(content, ends[-1], OF_TORCH))
    tensors = content[ends[3] : ends[4]].replace(b"M\xe8\x03", b"J\x00\x00\x00\x01")
    no_names = pickle.dumps([], 2)
    (tmp_path / "a.pt").write_bytes(content[: ends[3]] + tensors + no_names)
    with pytest.raises(WorkbookError, match="it promises 67108864 bytes"):
        read_torch(tmp_path / "a.pt")
