"""Downloads: https unless told, checked, resumed, tried a few times; archives within limits."""

import hashlib
import http.server
import io
import random
import stat
import tarfile
import threading
import zipfile
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from wtal_core.data import archives, download, fetch
from wtal_core.data.archives import opened
from wtal_core.data.manifests import ArchiveEntry
from wtal_core.errors import WorkbookError

CONTENT = bytes(range(256)) * 1000
SIZE = len(CONTENT)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.BaseHTTPRequestHandler):
    """Answers by what is left in `faults`, then well. asked: the Range of each request."""

    faults: list[str]
    asked: list[str | None]

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        asked = self.headers.get("Range")
        self.asked.append(asked)
        fault = self.faults.pop(0) if self.faults else ""
        first = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if fault == "no ranges":
            first, asked = 0, None
        if fault.isdigit():
            self.send_error(int(fault))
            return
        if fault.startswith("to "):
            self.send_response(302)
            self.send_header("Location", fault.removeprefix("to "))
            self.end_headers()
            return
        rest = CONTENT[first:]
        self.send_response(206 if asked else 200)
        length = {"longer": len(rest) + 1, "shorter": len(rest) - 1}.get(fault, len(rest))
        if fault not in ("endless", "cut"):
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if fault in ("broken", "cut"):
            rest = rest[: len(rest) // 2]
        self.wfile.write(rest * 3 if fault == "endless" else rest[:length])


@pytest.fixture
def server(monkeypatch):
    """A server on this machine, and its address."""
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setattr(download, "PIECE", 1000)
    handler = type("Handler", (Server,), {"faults": [], "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        running.silence = threading.Event()
        thread = threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        handler.address = f"http://127.0.0.1:{running.server_port}/a.bin"
        yield handler
        running.silence.set()
        running.shutdown()
        thread.join()


def retrieve(server, target, sha256=SHA256, size=SIZE, plain=True):
    fetch._retrieve(server.address, target, sha256, False, size, plain)


def test_a_broken_download_goes_on_where_it_broke(server, tmp_path):
    server.faults += ["broken", "503", "broken"]
    retrieve(server, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    half, quarter = len(CONTENT) // 2, len(CONTENT) * 3 // 4
    assert server.asked == [None, f"bytes={half}-", f"bytes={half}-", f"bytes={quarter}-"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_an_answer_that_ends_early_without_a_word_is_noticed(server, tmp_path):
    """The server has not said how long it is; the manifest has."""
    server.faults += ["cut"]
    retrieve(server, tmp_path / "a.bin")
    assert server.asked == [None, f"bytes={len(CONTENT) // 2}-"]
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_later_command_goes_on_where_an_earlier_one_broke(server, tmp_path):
    server.faults += ["broken", "500", "500", "500"]
    with pytest.raises(WorkbookError, match="given up after 4 tries"):
        retrieve(server, tmp_path / "a.bin")
    assert not (tmp_path / "a.bin").exists()
    server.asked.clear()
    retrieve(server, tmp_path / "a.bin")
    assert server.asked == [f"bytes={len(CONTENT) // 2}-"]
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_without_a_checksum_each_command_begins_anew(server, tmp_path):
    server.faults += ["broken", "500", "500", "500"]
    with pytest.raises(WorkbookError, match="given up"):
        retrieve(server, tmp_path / "a.bin", sha256=None, size=None)
    assert list(tmp_path.iterdir()) == []


def test_without_a_checksum_a_part_that_a_killed_command_left_is_not_gone_on_with(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(b"x" * 1000)
    retrieve(server, tmp_path / "a.bin", sha256=None, size=None)
    assert server.asked == [None]
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_server_that_knows_no_ranges_sends_all_again(server, tmp_path):
    server.faults += ["broken", "no ranges"]
    retrieve(server, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("faults", "reason", "requests"),
    [
        (["404"], "status 404", 1),
        (["longer"] * 4, "bytes, expected", 1),
        (["shorter"] * 4, "bytes, expected", 1),
        (["endless"], "more than .* bytes", 1),
        (["500"] * 9, r"given up after 4 tries \(status 500\)", 4),
        (["to http://127.0.0.1:1/"] * 9, "given up after 4 tries", 4),
    ],
)
def test_what_does_not_come_right_is_refused(server, tmp_path, faults, reason, requests):
    server.faults += faults
    with pytest.raises(WorkbookError, match=reason) as refused:
        retrieve(server, tmp_path / "a.bin")
    assert "\n" not in str(refused.value) and not (tmp_path / "a.bin").exists()
    assert len(server.asked) == requests


def test_a_wrong_checksum_keeps_what_was_there(server, tmp_path):
    (tmp_path / "a.bin").write_text("older")
    with pytest.raises(WorkbookError, match="hash"):
        retrieve(server, tmp_path / "a.bin", sha256="0" * 64)
    assert (tmp_path / "a.bin").read_text() == "older"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_a_part_of_another_file_is_thrown_away(server, tmp_path):
    """Its checksum is wrong once, and the next command begins anew."""
    (tmp_path / "a.bin.part").write_bytes(b"x" * 1000)
    with pytest.raises(WorkbookError, match="hash"):
        retrieve(server, tmp_path / "a.bin")
    retrieve(server, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_silent_server_is_given_up(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", (0.2, 0.2))
    monkeypatch.setattr(download, "TRIES", 2)
    monkeypatch.setattr(Server, "do_GET", lambda self: self.server.silence.wait(3))
    with pytest.raises(WorkbookError, match=r"given up after 2 tries \(.*timed out"):
        retrieve(server, tmp_path / "a.bin")


def test_http_is_refused_unless_the_user_names_the_server(server, tmp_path):
    with pytest.raises(WorkbookError, match="no https address"):
        retrieve(server, tmp_path / "a.bin", plain=False)
    assert server.asked == [] and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("hops", [("https://a/x", "http://a/x"), ("http://a/x", "https://a/x")])
def test_a_way_over_http_is_refused(tmp_path, monkeypatch, hops):
    """Whether it ends there or only passes by."""
    *before, last = [SimpleNamespace(url=url) for url in ("https://a/b", *hops)]
    answer = SimpleNamespace(url=last.url, history=before, status_code=200, reason="", headers={})
    answer.iter_content = lambda size: iter([CONTENT])
    monkeypatch.setattr(download, "_answer", lambda address, there: nullcontext(answer))
    with pytest.raises(WorkbookError, match="http://a/x is no https address"):
        download.download("https://a/b", tmp_path / "a.bin.part", progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("address", ["ftp://x/a.bin", "file:///etc/hosts", "HTTP://x/a.bin"])
def test_other_ways_are_refused(tmp_path, address):
    with pytest.raises(WorkbookError, match="no https address"):
        fetch._retrieve(address, tmp_path / "a.bin", None, False)


def zipped(path, members, mode=None):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (mode or 0) << 16
            archive.writestr(info, content)
    return path


def tarred(path, *members):
    """members: (name, content), or a TarInfo."""
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return path


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def encrypted(path):
    """The archive with the mark of a password on its first member."""
    content = bytearray(path.read_bytes())
    listed = content.find(b"PK\x01\x02")
    content[6] |= 1
    content[listed + 8] |= 1
    path.write_bytes(content)
    return path


def unpacked(archive, folder):
    return fetch.unpack(archive, folder, ArchiveEntry("u", {"*": "."}), {})


def test_a_tar_is_unpacked_as_a_zip_is(tmp_path):
    archive = tarred(tmp_path / "a.tar.gz", ("set/a.txt", b"1"), ("b.txt", b"2"))
    assert unpacked(archive, tmp_path / "out") == ["a.txt", "b.txt"]
    assert (tmp_path / "out" / "a.txt").read_bytes() == b"1"


BOMB = bytes(archives.SMALL * 8)
HOSTILE = {
    "zip bomb": lambda p: zipped(p, [("a", BOMB)]),
    "zip with a link": lambda p: zipped(p, [("a", "/etc/passwd")], stat.S_IFLNK | 0o777),
    "zip with a password": lambda p: encrypted(zipped(p, [("a", "1")])),
    "zip with a name twice": lambda p: zipped(p, [("a", "1"), ("a", "2")]),
    "zip that leads out": lambda p: zipped(p, [("../a", "1")]),
    "zip with an absolute path": lambda p: zipped(p, [("/a", "1")]),
    "tar bomb": lambda p: tarred(p, ("a", BOMB)),
    "tar with a link": lambda p: tarred(p, special("a", tarfile.SYMTYPE, "/etc/passwd")),
    "tar with a hard link": lambda p: tarred(p, special("a", tarfile.LNKTYPE, "b")),
    "tar with a file of holes": lambda p: tarred(p, special("a", tarfile.GNUTYPE_SPARSE)),
    "tar with a device": lambda p: tarred(p, special("a", tarfile.CHRTYPE)),
    "tar that leads out": lambda p: tarred(p, ("a/../../a", b"1")),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_archives_are_refused(tmp_path, kind):
    archive = HOSTILE[kind](tmp_path / "archive")
    with pytest.raises(WorkbookError, match=r"is not unpacked|leads out"):
        unpacked(archive, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


@pytest.mark.parametrize("limit", ["MOST_MEMBERS", "MOST_BYTES"])
def test_an_archive_of_too_much_is_refused(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(archives, limit, 2)
    archive = zipped(tmp_path / "archive", [("a", "1"), ("b", "2"), ("c", "3")])
    with pytest.raises(WorkbookError, match="it holds more than"):
        unpacked(archive, tmp_path / "out")


def test_the_members_of_a_damaged_archive_are_refused(tmp_path):
    """Cut off or altered anywhere, an archive is refused in words, or is still read."""
    for archive in (
        zipped(tmp_path / "a.zip", [("a", random.Random(0).randbytes(300)), ("b", "2" * 500)]),
        tarred(tmp_path / "a.tar.gz", ("a", random.Random(0).randbytes(300)), ("b", b"2" * 500)),
    ):
        whole = archive.read_bytes()
        refused = 0
        for place in range(0, len(whole), 7):
            archive.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
            try:
                with opened(archive) as members:
                    for member in members:
                        with member.open() as stream:
                            stream.read()
            except WorkbookError:
                refused += 1
        assert refused > 10
