"""Settings of a method as words of a command: `schedule.epochs=20`."""

import ast
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from difflib import get_close_matches
from typing import Any, get_args

from wtal_core.checks import hints_of
from wtal_core.errors import WorkbookError
from wtal_core.models import method
from wtal_core.reading.refusal import shown
from wtal_core.runs.inputs import KINDS, clicks_shown, inputs_of, instance_counts, label_vectors
from wtal_core.runs.run import Run
from wtal_core.runs.sweep import dataset_of
from wtal_core.runs.train import refuse_one_class

# what Python raises of a text that is none, or one too deep or too large
NO_LITERAL = (ValueError, SyntaxError, TypeError, OverflowError, RecursionError, MemoryError)
LARGEST_SEED = 2**63 - 1
NONE = "none"  # None, but where it is one of a setting's choices


def configured_run(
    method_name: str, profile: str, dataset: str, seed: int, words: Sequence[str]
) -> tuple[Run, str]:
    """The run of a profile with settings changed, and what to say of the profile, see
    `Method.config_for`.
    """
    if not 0 <= seed <= LARGEST_SEED:
        raise WorkbookError(f"--seed is {shown(seed)}; expected a whole number, at least 0")
    config, note = method(method_name).config_for(profile, dataset)
    return Run(method_name, with_settings(config, words), dataset, seed), note


def check_trainable(run: Run) -> None:
    """Refuse at once what training would refuse: one class, clicks or segments that are not
    there.
    """
    dataset = dataset_of(run)
    refuse_one_class(run.method, dataset)
    label_vectors(dataset, "train", run.config.schedule.labels)
    inputs = inputs_of(run.config)
    if inputs.counts:
        instance_counts(dataset, dataset.train)
    for kind in KINDS[inputs.clicks]:
        clicks_shown(dataset, kind, inputs, run.seed)


def with_settings(config: Any, words: Sequence[str]) -> Any:
    """A config with fields changed; a field of a part of it is named with a dot.

    words: such as "dropout=0.3", "schedule.epochs=20" or "taus=(1, 2)". Raises WorkbookError for a
    word without "=", an unknown field, with the nearest one that is known, and a value that is not
    allowed. A value that another one allows may stand before it.
    """
    waiting = list(words)
    while waiting:
        refused: dict[str, WorkbookError] = {}
        for word in waiting:
            try:
                config = _with(config, word)
            except WorkbookError as error:
                refused[word] = error
        if len(refused) == len(set(waiting)):
            raise next(iter(refused.values()))
        waiting = list(refused)
    return config


def _with(config: Any, word: str) -> Any:
    name, equals, text = word.partition("=")
    if not equals or not name:
        raise WorkbookError(f"--set {word!r}: expected key=value, such as schedule.epochs=20")
    return _changed(config, name.split("."), text, name)


def _changed(config: Any, path: list[str], text: str, name: str) -> Any:
    known = [field.name for field in fields(config)]
    head, *rest = path
    if head not in known:
        near = get_close_matches(head, known)
        remedy = f"did you mean {near[0]}?" if near else f"known ones: {', '.join(known)}"
        raise WorkbookError(f"--set {name}: there is no setting {head!r}; {remedy}")
    current = getattr(config, head)
    if rest and not _has_parts(current):
        raise WorkbookError(f"--set {name}: {head} has no parts; give {head}=VALUE")
    if not rest and _has_parts(current):
        parts = ", ".join(f"{head}.{field.name}" for field in fields(current))
        raise WorkbookError(f"--set {name}: {head} has parts; give one of them: {parts}")
    if rest:
        return replace(config, **{head: _changed(current, rest, text, name)})
    choices = get_args(hints_of(type(config))[head])
    value = NONE if text.lower() == NONE and NONE in choices else _value(text, current)
    return replace(config, **{head: value})


def _has_parts(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type)


def _value(text: str, current: Any) -> Any:
    """A Python literal, else the text itself; a whole number becomes a float where one stands."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        value = ast.literal_eval(text)
        if isinstance(current, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
    except NO_LITERAL:
        return text
    return tuple(value) if isinstance(value, list) else value
