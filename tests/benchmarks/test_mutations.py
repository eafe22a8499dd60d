"""The list of mutations that prove the check of behaviour: every old text is where it was, once."""

from benchmarks.mutations import ALL, NEUTRAL, REAL, at_end, misplaced, sources
from wtal_core.models import method_names


def test_every_old_text_is_in_the_package_exactly_once():
    texts = sources()
    offenders = [text for mutation in (*REAL, *NEUTRAL) if (text := misplaced(mutation, texts))]
    assert offenders == []


def test_every_mutation_changes_its_file_into_another_that_can_be_read():
    for mutation in (*REAL, *NEUTRAL):
        (text,) = (text for text in sources().values() if mutation.old in text)
        assert mutation.applied(text) != text
        compile(mutation.applied(text), "mutated", "exec")


def test_there_are_enough_of_both_kinds_and_methods_are_known():
    assert len(REAL) >= 20
    assert len(NEUTRAL) >= 10
    assert sorted(ALL) == method_names()
    names = [mutation.name for mutation in (*REAL, *NEUTRAL)]
    assert len(set(names)) == len(names)


def test_a_function_goes_to_the_end():
    text = "def a():\n    return 1\n\n\ndef b():\n    return 2\n"
    moved = at_end(text, "a")
    assert moved.index("def b") < moved.index("def a")
