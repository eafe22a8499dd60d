"""Whatever the command line refuses, it says in one line, with the argument and the remedy."""

import errno
import os
import subprocess
import sys

import pytest

from tests.places import ROOT
from wtal_core.cli import entry, main, refusals

LONG = "x" * 5000


@pytest.fixture
def refused(capsys):
    """Runs the command, which must refuse in one line; returns that line."""

    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as exit_:
            main(list(arguments))
        out, err = capsys.readouterr()
        assert (exit_.value.code, out) == (2, "")
        assert err.endswith("\n") and err[:-1].isprintable() and len(err) < 2000
        assert err.startswith("wtal: ")
        return err[:-1]

    return run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("evalute",), ("'evalute'", "did you mean evaluate?", "`wtal --help`")),
        (("--nothing",), ("--nothing", "`wtal --help`")),
        (("data",), ("list, add, verify", "`wtal data --help`")),
        (("data", "verfy"), ("'verfy'", "did you mean verify?", "`wtal data --help`")),
        (("data", "--nothing"), ("--nothing", "`wtal data --help`")),
        (("evaluate", "a", "b", "--nothing", "1"), ("--nothing", "`wtal evaluate --help`")),
        (("evaluate", "a"), ("usage: wtal evaluate GROUND_TRUTH DETECTIONS [OPTIONS]",)),
        (("new", "method"), ("usage: wtal new method NAME [OPTIONS]",)),
        (("try",), ("usage: wtal try VIDEOS --labels LABELS [OPTIONS]",)),
        (("features", "a"), ("usage: wtal features VIDEOS --out OUT [OPTIONS]",)),
        (("reproduce", "--see", "3"), ("--see", "--seeds INT", "`wtal reproduce --help`")),
        (("reproduce", "--seeds", "three"), ("--seeds", "'three'", "number of seeds")),
        (("reproduce", "--seeds"), ("'--seeds'", "`wtal reproduce --help`")),
        (("reproduce", "--profile", "x"), ("'x'", "--profile", "'quick', 'official', 'printed'")),
        (("reproduce", "--device", "x"), ("unknown device 'x'", "cpu, cuda or auto")),
        (("reproduce", "facnet/table3", "--results", "/proc/x"), ("/proc/x", "--results FOLDER")),
        (("notebooks", "/nope.ipynb"), ("/nope.ipynb", "no such file")),
        (("evaluate", "a\nb\x1b[31m", "c"), (r"a\nb\x1b[31m",)),
    ],
)
def test_each_refusal_is_one_line_that_names_the_remedy(refused, arguments, words):
    line = refused(*arguments)
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    "arguments",
    [
        (LONG,),
        ("data", LONG),
        ("evaluate", LONG, "b"),
        ("evaluate", "a", "b", f"--{LONG}"),
        ("reproduce", LONG),
        ("reproduce", "--seeds", LONG),
        ("reproduce", "facnet/table3", "--device", "cpu", "--results", LONG),
        ("notebooks", LONG),
        ("data", "verify", LONG),
        ("data", "verify", "hapt", "--root", LONG),
        ("results", "check", "--results", LONG),
        ("results", "compare", LONG),
        ("new", "method", LONG),
        ("data", "facts", LONG),
    ],
)
def test_long_words_are_refused_in_one_line(refused, arguments):
    refused(*arguments)


def test_a_file_whose_name_looks_like_an_option(refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "--x.json").write_text("{}")
    assert "name the file --x.json as ./--x.json" in refused("evaluate", "--x.json", "b")


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_name_in_another_encoding(encoding):
    """Whatever the terminal's encoding; a process of its own, because it is set at the start."""
    answer = subprocess.run(
        [sys.executable, "-m", "wtal_core", "evaluate", b"\xff\xc3\xa9", "--seeds", "é"],
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT)},
        capture_output=True,
    )
    assert answer.returncode == 2 and answer.stdout == b""
    assert answer.stderr.startswith(b"wtal: evaluate: ") and answer.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            OSError(errno.ENOSPC, "No space left", "/a/b"),
            ("/a/b: No space left", "free some space"),
        ),
        (PermissionError(errno.EACCES, "Permission denied", "/a"), ("/a: Permission", "rights")),
        (OSError(errno.EROFS, "Read-only file system", "/a"), ("/a: Read-only", "can be written")),
        (OSError("odd"), ("odd",)),
        (MemoryError(), ("not enough memory",)),
    ],
)
def test_what_the_system_refuses_is_one_line(refused, monkeypatch, error, words):
    def command() -> int:
        """Fail."""
        raise error

    monkeypatch.setitem(entry.COMMANDS, "fail", command)
    line = refused("fail")
    for word in words:
        assert word in line


def test_a_long_line_keeps_its_two_ends():
    text = refusals.one_line("a" + "b" * 9000 + "c")
    assert text.startswith("abb") and text.endswith("bbc") and "[...]" in text
    assert len(text) < refusals.LONGEST + 10
