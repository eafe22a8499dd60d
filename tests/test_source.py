"""The hash of the code that computes a run: meaning counts; comments, docstrings and types of
arguments do not.
"""

import pytest

from wtal_core import source

FIRST = (
    '"""Adds."""\nfrom wtal_core.second import shift\n\n\ndef add(a, b):\n    """a + b."""\n '
    "   return shift(a) + b\n"
)
SECOND = '"""Shifts."""\n\n\ndef shift(a):\n    return a + 1\n'


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of two modules in place of the real one; a function that hashes it after a
    change.
    """
    folder = tmp_path / "wtal_core"
    folder.mkdir()
    (folder / "first.py").write_text(FIRST)
    (folder / "second.py").write_text(SECOND)
    monkeypatch.setattr(source, "PACKAGE", folder)
    source.source_hash.cache_clear()

    def hashed(name: str | None = None, old: str = "", new: str = "") -> str:
        if name is not None:
            path = folder / name
            assert old in path.read_text()
            path.write_text(path.read_text().replace(old, new))
        source.source_hash.cache_clear()
        return source.source_hash("wtal_core.first")

    yield hashed
    source.source_hash.cache_clear()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""a + b."""', '"""Another text."""'),
        ('    """a + b."""\n', ""),
        ('"""Adds."""\n', ""),
        ("    return", "    # why\n    return"),
        ("a, b)", "a,\n        b)"),
        ("a, b)", "a: int, b)"),
        ("a, b)", "a, b) -> int"),
        ("\n\n\ndef", "\n\n\n\n\ndef"),
    ],
)
def test_comments_docstrings_layout_and_types_do_not_count(package, old, new):
    before = package()
    assert package("first.py", old, new) == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("first.py", "+ b", "- b"),
        ("first.py", "def add(a, b)", "def add(b, a)"),
        ("second.py", "a + 1", "a + 2"),
        ("second.py", "def shift(a)", "def shift(a=0)"),
    ],
)
def test_code_counts_also_in_modules_that_are_imported(package, name, old, new):
    before = package()
    assert package(name, old, new) != before


def test_modules_that_are_not_imported_do_not_count(package):
    before = package()
    (source.PACKAGE / "third.py").write_text("x = 1\n")
    assert package() == before


def test_an_import_is_found_wherever_it_stands(package, tmp_path):
    path = tmp_path / "any.py"
    path.write_text(
        "import wtal_core.first\n\n\ndef f():\n    from wtal_core import second\n    import numpy\n"
    )
    assert source.imports(path) == {"wtal_core.first", "wtal_core", "wtal_core.second"}
    assert source.file_of("wtal_core.second") == source.PACKAGE / "second.py"
    assert source.file_of("wtal_core.second.shift") is None


def test_the_hash_of_a_run_covers_what_decides_it():
    covered = {
        path.relative_to(source.PACKAGE).as_posix()
        for path in source._closure(
            ("wtal_core.runs.train", "wtal_core.models.facnet", "wtal_core.data.simulator")
        )
    }
    assert {
        "runs/train.py",
        "models/facnet.py",
        "data/simulator.py",
        "packed.py",
        "models/shared/layers.py",
        "models/shared/schedule.py",
        "losses/cross_entropy.py",
        "localization/proposals.py",
        "localization/suppression.py",
        "evaluation/mean_average_precision.py",
        "evaluation/matching.py",
        "segments.py",
        "timebase.py",
    } <= covered
    assert not any(name.startswith(("report/", "cli")) for name in covered)
