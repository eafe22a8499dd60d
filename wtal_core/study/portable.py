"""A trained network with all that detecting needs: made of a run, or read from a folder that was
exported, which needs neither the ledger nor the data that it was trained on.

The folder holds `model.safetensors`, the weights; `model.json`, method, config, classes, streams
and time base; and `README.md`, a model card. Nothing in it is executed or unpickled.
"""

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from torch import Tensor

from wtal_core.data.dataset import Dataset, empty_segments
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.signals import Signals
from wtal_core.models import method
from wtal_core.models.contract import MethodConfig
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.reading import values
from wtal_core.reading.json_files import read_json
from wtal_core.reading.tensors import read_safetensors
from wtal_core.runs.foreground import on_own_snippets
from wtal_core.runs.inputs import inputs_of, resident
from wtal_core.runs.run import configured, differences
from wtal_core.runs.train import activations, scale_of
from wtal_core.study.trained import TrainedRun
from wtal_core.timebase import Timebase, checked_timebase

FORMAT = 1
WEIGHTS = "model.safetensors"
DESCRIPTION = "model.json"
CARD = "README.md"
AGAIN = "export the run again"
# signs that Markdown, or HTML in it, takes for more than text within a line; addresses, too
MARKUP = re.compile(r"[\\`*_\[\]<>&~|$#@:]|(?<=www)\.", re.IGNORECASE)
BACKTICKS = re.compile("`+")
KEYS: dict[str, Any] = {
    "format": int,
    "method": str,
    "config": dict,
    "classes": list,
    "streams": list,
    "feature_size": int,
    "fps": (int, float),
    "stride": (int, float),
    "offset": (int, float),
    "class_scale": (int, float),
    "training": dict,
}


@dataclass(frozen=True)
class Model:
    """What `detect` needs. size: D of each stream. scale: of class thresholds. training: what the
    model card says of how it was trained.
    """

    method: str
    config: MethodConfig
    classes: tuple[str, ...]
    streams: tuple[str, ...]
    size: int
    timebase: Timebase
    scale: float
    weights: Mapping[str, Tensor]
    training: dict[str, Any]


def model_of(trained: TrainedRun) -> Model:
    """The network of a run at its last epoch; trained once more where nobody has kept it."""
    dataset = trained.dataset
    line = trained.record.line
    weights = {name: value.cpu() for name, value in trained.network.state_dict().items()}
    return Model(
        method=trained.run.method,
        config=trained.run.config,
        classes=dataset.classes,
        streams=dataset.streams,
        size=dataset.feature_size(),
        timebase=dataset.timebase,
        scale=scale_of(dataset),
        weights=weights,
        training={
            "run": trained.record.key,
            "data": line["dataset"],
            "title": dataset.title,
            "origin": dataset.origin,
            "fingerprint": line["data"],
            "seed": trained.record.seed,
            "epochs": line.get("epochs"),
            "videos": {"train": len(dataset.train), "test": len(dataset.test)},
            "unscored": line.get("unscored", ""),
            "metrics": line["metrics"]["last"],
        },
    )


def detect(model: Model, dataset: Dataset, device: str = "cpu") -> pd.DataFrame:
    """Detections `video, label, t_start, t_end, score` in the test videos of a data set, whose own
    labels do not count; times are by its own time base.

    Raises WorkbookError where its features are of other streams or another size.
    """
    return detect_with_signals(model, dataset, device)[0]


def detect_with_signals(
    model: Model, dataset: Dataset, device: str = "cpu"
) -> tuple[pd.DataFrame, Signals]:
    """The detections of `detect`, and what the network saw: class activation and attention of the
    leading stream, on the snippets of the data set.
    """
    features = dataset.test[0].features
    for stream in features:
        size = features[stream].shape[1]
        break
    if len(dataset.streams) != len(model.streams) or size != model.size:
        raise WorkbookError(
            f"{dataset.name}: streams {', '.join(dataset.streams)} of {size} values, the network "
            f"was trained on {', '.join(model.streams)} of {model.size}; give features of the same "
            "kind"
        )
    videos = tuple(replace(video, labels=()) for video in dataset.test)
    data = replace(dataset, classes=model.classes, test=videos, ambiguous=empty_segments())
    of_method = method(model.method)
    draw = torch.Generator().manual_seed(0)
    network = of_method.Network(
        model.config, len(model.streams), model.size, len(model.classes), draw
    )
    try:
        network.load_state_dict(dict(model.weights))
    except RuntimeError as error:
        raise WorkbookError(
            f"the weights are not those of a {model.method} with this config; export the run again"
        ) from error
    network.to(device)
    inputs = inputs_of(model.config)
    packed = resident(data, "test", device, inputs=inputs)
    activation = activations(of_method, network, model.config, packed, model.scale)
    lengths = tuple(video.length for video in videos)
    ids = tuple(video.id for video in videos)
    scene = Scene(ids, model.classes, data.timebase, data.ambiguous, lengths)
    detections = of_method.localize(activation, scene, model.config)
    return detections, _signals(model, data, activation)


def _signals(model: Model, dataset: Dataset, activation: Activation) -> Signals:
    """By video; `activation` is of all test videos, one after another."""
    borders = np.cumsum([video.length for video in dataset.test])[:-1]
    videos = [video.id for video in dataset.test]
    by_kind = [
        np.split(on_own_snippets(values[-1], activation.lengths, dataset), borders)
        for values in (activation.cas, activation.attention)
    ]
    activations, attentions = (dict(zip(videos, parts, strict=True)) for parts in by_kind)
    return Signals(model.classes, dataset.timebase, activations, attentions)


def write_model(model: Model, folder: Path) -> None:
    """Write the three files, all or none; a folder that is there is not touched."""
    if folder.exists():
        raise WorkbookError(f"{folder} is there already; name another folder with --out")
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        weights = {name: value.contiguous() for name, value in model.weights.items()}
        save_file(weights, partial / WEIGHTS)
        text = json.dumps(described(model), indent=2, ensure_ascii=False, allow_nan=False)
        (partial / DESCRIPTION).write_text(f"{text}\n", encoding="utf-8")
        (partial / CARD).write_text(card(model), encoding="utf-8")
        os.rename(partial, folder)
    except OSError as error:
        raise WorkbookError(f"{folder} cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def described(model: Model) -> dict[str, Any]:
    """All but the weights, as JSON values."""
    return {
        "format": FORMAT,
        "method": model.method,
        "config": differences(model.config),
        "classes": list(model.classes),
        "streams": list(model.streams),
        "feature_size": model.size,
        "fps": model.timebase.fps,
        "stride": model.timebase.stride,
        "offset": model.timebase.offset,
        "class_scale": model.scale,
        "training": model.training,
    }


def read_model(folder: Path) -> Model:
    """A model that was exported; a file that is missing, damaged or of another kind is named."""
    path = folder / DESCRIPTION
    if not path.exists():
        raise WorkbookError(
            f"{folder} holds no {DESCRIPTION}; name a folder that `wtal export RUN` has written"
        )
    content = read_json(path, AGAIN)
    _check(path, content)
    tensors = read_safetensors(folder / WEIGHTS, AGAIN)
    return Model(
        method=content["method"],
        config=configured(method(content["method"]).Config, content["config"]),
        classes=tuple(content["classes"]),
        streams=tuple(content["streams"]),
        size=content["feature_size"],
        timebase=_timebase(content),
        scale=float(content["class_scale"]),
        weights=tensors,
        training=content["training"],
    )


def _check(path: Path, content: Any) -> None:
    if not isinstance(content, dict):
        raise WorkbookError(f"{path} is no description of a model; export the run again")
    for key, kind in KEYS.items():
        if not isinstance(content.get(key), kind):
            raise WorkbookError(f"{path}: {key} is missing or of a wrong kind; export again")
    if content["format"] != FORMAT:
        raise WorkbookError(
            f"{path} is of format {content['format']}, this workbook reads {FORMAT}; export the "
            "run again"
        )
    names = (*content["classes"], *content["streams"])
    if not content["classes"] or not content["streams"] or not all(map(_is_name, names)):
        raise WorkbookError(f"{path}: classes and streams have to be lists of names; export again")
    values.whole(content["feature_size"], f"{path}: feature_size")
    for key in ("fps", "stride", "offset", "class_scale"):
        values.number(content[key], f"{path}: {key}")
    for key in ("fps", "stride", "feature_size", "class_scale"):
        if not content[key] > 0:
            raise WorkbookError(f"{path}: {key} has to be larger than 0; export again")
    checked_timebase(_timebase(content), path)


def _timebase(content: dict[str, Any]) -> Timebase:
    return Timebase(float(content["fps"]), float(content["stride"]), float(content["offset"]))


def _is_name(value: object) -> bool:
    return isinstance(value, str) and values.is_name(value)


def card(model: Model) -> str:
    """The model card, in Markdown. Names of files are text in it, whatever they hold."""
    told = model.training
    base = model.timebase
    settings = differences(model.config)
    changed = "\n".join(f"* {_code(name)} = {_code(value)}" for name, value in settings.items())
    return f"""# {model.method}, trained on {_text(told["title"])}

A network for temporal action localization, trained by the WTAL Workbook from video labels.

* Method: `{model.method}`; run {_code(told["run"])}, seed {told["seed"]}, {told["epochs"]} epochs.
* Data: {_code(told["data"])} ({_text(told["origin"])}), {told["videos"]["train"]} training and \
{told["videos"]["test"]} test videos, fingerprint {_code(told["fingerprint"])}.
* Input: streams {_listed(model.streams)}, each [T, {model.size}], the leading one last; a \
snippet every {base.snippet_seconds:g} s ({base.fps:g} frames per second, stride {base.stride:g}).
* Classes: {_listed(model.classes)}.
* Scores: {_scores(told)}

Detect with `wtal detect FOLDER --data FEATURES`, FEATURES a data set or a folder of feature files.
It knows the classes above and nothing else, and features of the same kind only.

Settings that differ from the method's defaults:

{changed or "none"}
"""


def _scores(told: Mapping[str, Any]) -> str:
    """mAP on the test videos by protocol, in words."""
    if told["unscored"]:
        return f"none, because {_text(told['unscored'])}."
    parts = [
        f"{_text(name)} {100 * metric['average']:.1f}" for name, metric in told["metrics"].items()
    ]
    return f"average mAP on the test videos at the last epoch, by protocol: {', '.join(parts)}."


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(_text, names))


def _text(name: object) -> str:
    """A name as plain text of Markdown: no sign of it is markup, and it stays on its line."""
    return MARKUP.sub(r"\\\g<0>", _on_one_line(name))


def _code(name: object) -> str:
    """A name as code: between more backticks than it holds in a row."""
    line = _on_one_line(name)
    longest = max(map(len, BACKTICKS.findall(line)), default=0)
    fence = "`" * (longest + 1)
    room = " " if line.startswith("`") or line.endswith("`") or not line.strip() else ""
    return f"{fence}{room}{line}{room}{fence}"


def _on_one_line(name: object) -> str:
    return " ".join(str(name).split())
