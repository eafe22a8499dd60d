"""One finished run and its trained network: what it sees, says and does on the test videos.

A network is trained at most once. Small arrays that figures draw are kept beside the record and
read first, so that a fresh checkout, which has no weights, need not train.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from wtal_core.data.dataset import Dataset
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.case import Case
from wtal_core.models import method
from wtal_core.models.contract import Method
from wtal_core.models.shared.activation import Activation, Scene
from wtal_core.packed import Packed, Resident
from wtal_core.runs.foreground import on_own_snippets
from wtal_core.runs.inputs import inputs_of, on_grid, resident
from wtal_core.runs.ledger import Ledger, Record
from wtal_core.runs.run import Run
from wtal_core.runs.sweep import resolve_device
from wtal_core.runs.train import TEST_BATCH, activations, put_back, scale_of, scene
from wtal_core.study import embedding, inspection, kept
from wtal_core.study.facts import Facts, measured

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """Get one with `session.trained`. All that needs the network is computed on first use, on the
    session's device; videos are named by their ids, and an unknown one raises a WorkbookError.
    """

    run: Run
    record: Record
    dataset: Dataset
    store: Ledger
    device: str

    @property
    def method(self) -> Method[Any, Any]:
        return method(self.run.method)

    @property
    def map(self) -> dict[float, float]:
        """mAP in percent per tIoU, by the data set's own protocol."""
        return self.record.map(self.dataset.default_protocol)

    @cached_property
    def network(self) -> nn.Module:
        """At its last epoch, in evaluation, without gradients."""
        weights = kept.weights_of(self.run, self.record, self.store, self.device)
        network = new_network(self.run, self.dataset)
        put_back(network, weights, self.run.method)
        return network.to(resolve_device(self.device)).eval().requires_grad_(False)

    @cached_property
    def test_videos(self) -> Resident:
        """As the network takes them."""
        inputs = inputs_of(self.run.config)
        return resident(self.dataset, "test", resolve_device(self.device), inputs=inputs)

    @cached_property
    def activation(self) -> Activation:
        """What localization works on, of all streams and all test videos."""
        scale = scale_of(self.dataset)
        return activations(self.method, self.network, self.run.config, self.test_videos, scale)

    @property
    def scene(self) -> Scene:
        """What localization needs to know of the test videos."""
        return scene(self.dataset)

    @cached_property
    def detections(self) -> pd.DataFrame:
        """`video, label, t_start, t_end, score` on the test videos, at the last epoch."""
        detections = self.record.detections("last")
        if detections is None:
            detections = self.method.localize(self.activation, self.scene, self.run.config)
        return detections

    @property
    def class_activation(self) -> Float[np.ndarray, "M C"]:
        """Of the leading stream, on the snippets of the data set, video after video."""
        return on_own_snippets(self.activation.cas[-1], self.activation.lengths, self.dataset)

    @cached_property
    def embedding(self) -> Float[np.ndarray, "M E"] | None:
        """The embedding that affinities are cosines of, with unit length, on the snippets of the
        data set; None where the method has none.
        """
        parts = []
        for batch in self._test_batches():
            signals = self.method.signals(self._outputs(batch))
            if "e" not in signals:
                return None
            parts.append(signals["e"][-1].cpu())
        values = torch.cat(parts).double().numpy()
        values = on_own_snippets(values, self.activation.lengths, self.dataset)
        length = np.linalg.norm(values, axis=1, keepdims=True)
        return values / np.maximum(length, 1e-12)

    @cached_property
    def facts(self) -> Facts:
        """What it does on the whole test list, in a few numbers. Kept beside the record."""
        values = self.record.facts()
        if values is not None:
            return Facts.of(values)
        facts = measured(self.dataset, self.class_activation, self.detections, self.embedding)
        if not self.record.is_another_network_here:
            self.record.keep_facts(facts.values())
        return facts

    def signals(self, video: str) -> Arrays:
        """What figures of one test video draw, of the leading stream, float32: `s_a` [T, C + 1],
        and where the method has them `s_f` [T], `w` [T], `e` [T, E]. Besides its detections as
        `detections` [N, 4] (class index, start s, end s, score). Kept beside the record.
        """
        return self._kept(f"signals_{video}", lambda: self._signals(video))

    def activation_of(self, video: str) -> tuple[Activation, Scene]:
        """Of one test video alone: enough to localize step by step. Kept beside the record."""
        arrays = self._kept(f"activation_{video}", lambda: self._activation(video))
        length = arrays["cas"].shape[1]
        activation = Activation(
            arrays["cas"],
            arrays["scores"],
            arrays["attention"],
            (length,),
            arrays.get("magnitude"),
            arrays.get("ranking"),
            class_scale=scale_of(self.dataset),
        )
        return activation, self.scene_of(video)

    def scene_of(self, video: str) -> Scene:
        """What localization needs to know of one test video."""
        whole = self.scene
        length = whole.lengths[self._number(video)]
        return Scene((video,), whole.classes, whole.timebase, whole.ambiguous, (length,))

    def asked(
        self, video: str, name: str, ask: Callable[[nn.Module, Packed], Mapping[str, Tensor]]
    ) -> Arrays:
        """What the network says of one test video, by a question of one's own: `ask(network,
        batch)` returns small tensors by name. Kept beside the record under `name`; another question
        needs another name.
        """

        def answer() -> Arrays:
            with torch.no_grad():
                told = ask(self.network, self.test_videos.batch([self._number(video)]))
            return {key: value.float().cpu().numpy() for key, value in told.items()}

        return self._kept(f"{name}_{video}", answer)

    def embedding_map(self) -> Arrays:
        """Test snippets of the leading stream on a plane, see `embedding.plane`. Kept beside the
        record.
        """
        return self._kept("embedding_map", self._embedding_map)

    def case(self, profile: str = "") -> Case:
        """The whole test list as a case to diagnose, with class activation and attention. Kept
        beside the record. profile: of the session, for the caption.
        """
        arrays = self._kept("inspection", self._inspection)
        name = f"{self.run.method}, seed {self.run.seed}"
        parts = [self.dataset.heading, "last epoch"]
        if profile:
            parts.insert(1, f"profile {profile}")
        return inspection.case_of(name, ", ".join(parts), self.dataset, arrays)

    def _kept(self, name: str, compute: Callable[[], Arrays]) -> Arrays:
        arrays = self.record.arrays(name)
        if arrays is None:
            _ = self.network  # may turn out to be another one, whose arrays lie elsewhere
            arrays = self.record.arrays(name)
        if arrays is None:
            arrays = compute()
            self.record.keep_arrays(name, arrays)
        return arrays

    def _number(self, video: str) -> int:
        videos = [v.id for v in self.dataset.test]
        if video not in videos:
            raise WorkbookError(
                f"{video} is no test video of {self.dataset.name}; choose one such as {videos[0]}"
            )
        return videos.index(video)

    def _signals(self, video: str) -> Arrays:
        number = self._number(video)
        length = self.dataset.test[number].length
        signals = self.method.signals(self._outputs(self.test_videos.batch([number])))
        arrays = {
            name: on_grid(value[-1].cpu().numpy(), length)
            for name, value in signals.items()
            if name != "x"  # hundreds of values per snippet that no figure of a video draws
        }
        arrays["detections"] = self._detections_of(video)
        return arrays

    def _detections_of(self, video: str) -> Float[np.ndarray, "N 4"]:
        table = self.detections[self.detections["video"] == video]
        label = table["label"].map(list(self.dataset.classes).index).to_numpy(np.float64)
        numbers = table[["t_start", "t_end", "score"]].to_numpy(np.float64)
        return np.column_stack([label, numbers])

    def _activation(self, video: str) -> Arrays:
        number = self._number(video)
        whole = self.activation
        begin = sum(whole.lengths[:number])
        part = slice(begin, begin + whole.lengths[number])
        arrays = {
            "cas": whole.cas[:, part],
            "scores": whole.scores[:, number : number + 1],
            "attention": whole.attention[:, part],
        }
        if whole.magnitude is not None:
            arrays["magnitude"] = whole.magnitude[:, part]
        if whole.ranking is not None:
            arrays["ranking"] = whole.ranking[:, part]
        return arrays

    def _embedding_map(self) -> Arrays:
        every = self.test_videos.batch(range(len(self.test_videos)))
        signals = self.method.signals(self._outputs(every))
        if "x" not in signals:
            raise WorkbookError(f"method {self.run.method} shows no embedding to draw a map of")
        return embedding.plane(self.dataset, signals["x"][-1].cpu().numpy())

    def _inspection(self) -> Arrays:
        whole = self.activation
        # kept as float32, and therefore rounded before they are brought to other snippets
        cas = on_own_snippets(whole.cas[-1].astype(np.float32), whole.lengths, self.dataset)
        attention = whole.attention[-1].astype(np.float32)
        attention = on_own_snippets(attention, whole.lengths, self.dataset)
        detections = inspection.as_numbers(self.dataset, self.detections)
        # three digits are enough to look at, and half the size in the repository
        return {
            "cas": cas.astype(np.float16),
            "attention": attention.astype(np.float16),
            "detections": detections,
        }

    @torch.no_grad()
    def _outputs(self, batch: Packed) -> Any:
        return self.network(batch)

    def _test_batches(self) -> Iterator[Packed]:
        count = len(self.test_videos)
        for begin in range(0, count, TEST_BATCH):
            yield self.test_videos.batch(range(begin, min(begin + TEST_BATCH, count)))


def new_network(run: Run, dataset: Dataset) -> nn.Module:
    """The network that the training of a run begins with, on the CPU."""
    draw = torch.Generator().manual_seed(run.seed)
    streams = len(dataset.streams)
    classes = len(dataset.classes)
    network = method(run.method).Network
    return network(run.config, streams, dataset.feature_size(), classes, draw)
