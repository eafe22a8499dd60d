"""A data set of 13 short videos that holds every special case, made by rule.

Ambiguous interval, videos without snippets and with one snippet, equal snippets, two labels,
instances that touch, an instance that is listed twice, clicks of several annotators, a video
without instances. All numbers are binary fractions, so that ties are exact ties on every machine.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from wtal_core.data.dataset import SEGMENT_COLUMNS, Dataset, Video, check_dataset
from wtal_core.timebase import Timebase

CLASSES = ("jump", "run", "throw")
STREAMS = ("rgb", "flow")
SIZE = 4  # one direction per class, the last one for the background
GRID = 64.0  # features are multiples of 1 / GRID
TIMEBASE = Timebase(fps=4.0, stride=2.0, offset=1.0)


Span = tuple[str, float | int, float | int]  # class, start and end in snippets


@dataclass(frozen=True)
class Plan:
    """A video to be made. instances: (class, start, end) in snippets, fractions of them allowed.

    copies: snippets that repeat the one before them.
    """

    id: str
    length: int
    instances: tuple[Span, ...]
    copies: tuple[int, ...] = ()


TRAIN = (
    Plan("train_0", 20, (("jump", 4, 9), ("jump", 9, 13))),
    Plan("train_1", 16, (("run", 2, 8.5),)),
    Plan("train_2", 24, (("throw", 10, 17), ("run", 3, 7))),
    Plan("train_3", 0, (("jump", 1, 3),)),
    Plan("train_4", 1, (("run", 0, 1),)),
    Plan("train_5", 18, (("throw", 5, 12),), copies=(7, 8, 14, 15)),
)
TEST = (
    Plan("test_0", 22, (("jump", 3, 9), ("jump", 14, 20))),
    Plan("test_1", 26, (("run", 4, 11), ("run", 4, 11), ("throw", 11, 18.5)), copies=(6, 14)),
    Plan("test_2", 0, (("throw", 1, 3),)),
    Plan("test_3", 1, (("jump", 0, 1),)),
    Plan("test_4", 20, (("run", 2.5, 9), ("throw", 11, 16)), copies=(5,)),
    Plan("test_5", 18, (("throw", 6, 13), ("jump", 1, 4), ("jump", 4, 10))),
    Plan("test_6", 12, ()),
)
AMBIGUOUS = (("test_4", "throw", 12.5, 15), ("test_0", "jump", 0, 1), ("elsewhere", "run", 0, 9))


def micro_dataset() -> Dataset:
    """The data set, checked."""
    rng = np.random.default_rng(20)
    train = tuple(_video(plan, rng) for plan in TRAIN)
    test = tuple(_video(plan, rng) for plan in TEST)
    rows = [(plan.id, *instance) for plan in (*TRAIN, *TEST) for instance in plan.instances]
    return check_dataset(
        Dataset(
            name="micro",
            title="Micro",
            origin="simulated",
            classes=CLASSES,
            streams=STREAMS,
            timebase=TIMEBASE,
            segments=_in_seconds(rows),
            default_protocol="wtalc",
            fingerprint="micro 1",
            ambiguous=_in_seconds(AMBIGUOUS),
            clicks={"action": _action_clicks(), "background": _background_clicks()},
            left_out={"actionformer": ("test_5",)},
            train=train,
            test=test,
        )
    )


def _video(plan: Plan, rng: np.random.Generator) -> Video:
    """Each instance shows its class's direction; elsewhere the background's, and some look-alikes.

    Both streams see the same noise in other places, the second one half of the signal.
    """
    content = np.zeros((plan.length, SIZE))
    content[:, -1] = 1.0
    for label, start, end in plan.instances:
        inside = slice(round(start), round(end))
        content[inside, CLASSES.index(label)] = 1.5
        content[inside, -1] = 0.25
    features = {}
    for number, stream in enumerate(STREAMS):
        noise = np.abs(rng.random(content.shape) - 0.25)
        values = content / (1 + number) + noise
        for snippet in plan.copies:
            values[snippet] = values[snippet - 1]
        features[stream] = (np.rint(values * GRID) / GRID).astype(np.float32)
    labels = tuple(sorted({label for label, _, _ in plan.instances}))
    return Video(plan.id, features, labels)


def _in_seconds(rows: tuple | list) -> pd.DataFrame:
    """A table of (video, label, start, end) whose times are given in snippets."""
    table = pd.DataFrame(rows, columns=SEGMENT_COLUMNS)
    for column in ("t_start", "t_end"):
        table[column] = TIMEBASE.seconds(table[column].to_numpy(dtype=np.float64))
    return table


def _action_clicks() -> pd.DataFrame:
    """One click per instance by each of two annotators, one of them at a border of a snippet.

    The last rows: two classes on one snippet, a class and a video that the data set does not have.
    """
    rows = []
    for annotator in (1, 2):
        for plan in TRAIN:
            for label, start, end in plan.instances:
                share = 0.5 if annotator == 1 else 0.25
                rows.append((plan.id, label, start + share * (end - start), annotator))
    for annotator in (1, 2):
        rows.append(("train_2", "run", 12.25, annotator))
        rows.append(("train_2", "throw", 12.75, annotator))
        rows.append(("train_0", "swim", 6.0, annotator))
        rows.append(("elsewhere", "run", 2.0, annotator))
    return _clicks(rows)


def _background_clicks() -> pd.DataFrame:
    """One click before and one after the instances by each of three annotators, some of them
    intervals of a few snippets.
    """
    rows = []
    for annotator in (1, 2, 3):
        for plan in TRAIN:
            last = max(end for _, _, end in plan.instances)
            rows.append((plan.id, "background", 0.25 + 0.5 * annotator, annotator))
            if plan.length > last + 2:
                rows.append((plan.id, "background", last + 0.75 * annotator, annotator))
    table = _clicks(rows)
    marked = np.arange(len(table)) % 3 == 1
    return table.assign(t_end=np.where(marked, table["t"] + 0.75, np.nan))


def _clicks(rows: list[tuple[str, str, float | int, int]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["video", "label", "t", "annotator"])
    return table.assign(t=TIMEBASE.seconds(table["t"].to_numpy(dtype=np.float64)))


UNIT = 21 / 512  # of made activations; 21 cancels FAC-Net's 21 entries on THUMOS14
LEVELS = (10, 18, 26, 34)  # 8 apart: normalised by 2 and 34 they are 1/4, 2/4, 3/4 and 1
LOW, HIGH = 2, 34
SCORES = (0.75, 21 / 64, 0.5, 0.25, 0.1)  # of classes that are shown, in turn


def made_activation(subset: tuple[Plan, ...] = TEST) -> Float[np.ndarray, "M C"]:
    """Class activations that a middling network would have: exact multiples of UNIT.

    Instances come moved by a snippet or two, one in five not at all; each video also has an
    action that is not there. Activations rise and fall in steps, so that runs at several thresholds
    lie in each other. Every sequence reaches LOW and HIGH.
    """
    parts = []
    for number, plan in enumerate(subset):
        time = np.arange(plan.length)[:, None]
        levels = LOW + (3 * time + 5 * np.arange(len(CLASSES)) + number) % 5
        for label, start, end, peak in _believed(number, plan):
            column = CLASSES.index(label)
            for snippet in range(max(start, 0), min(end, plan.length)):
                step = min(snippet - start, end - 1 - snippet, peak)
                levels[snippet, column] = LEVELS[step]
        if plan.length > 3:
            levels[0] = LOW
            levels[plan.length - 2] = HIGH
        parts.append(levels * UNIT)
    return np.concatenate(parts)


def _believed(number: int, plan: Plan) -> list[tuple[str, int, int, int]]:
    """(class, start, end, highest level) of what the made activations show of a video."""
    believed = []
    for nth, (label, start, end) in enumerate(plan.instances):
        if (number + nth) % 5 == 4:
            continue
        moved = round(start) + (number + nth) % 3 - 1
        believed.append((label, moved, round(end) + nth % 2 + 1, 3 - nth % 2))
    wrong = CLASSES[(number + 1) % len(CLASSES)]
    believed.append((wrong, plan.length - 9, plan.length - 3, 1 + number % 2))
    return believed


def made_scores(subset: tuple[Plan, ...] = TEST) -> Float[np.ndarray, "B C"]:
    """Video-level class scores: SCORES in turn for classes that a video shows, 1/16 for others,
    and an equally high score for one that it does not show.
    """
    scores = np.full((len(subset), len(CLASSES)), 1 / 16)
    for number, plan in enumerate(subset):
        labels = sorted({label for label, _, _ in plan.instances})
        for nth, label in enumerate(labels):
            scores[number, CLASSES.index(label)] = SCORES[(number + nth) % len(SCORES)]
        scores[number, (number + 1) % len(CLASSES)] = SCORES[number % 3]
    return scores


def made_detections() -> pd.DataFrame:
    """Detections for the evaluation alone: equal scores, equal tIoU with two instances, doubles,
    wrong labels, no length, outside of all instances; the same on every machine.
    """
    rows = []
    for number, plan in enumerate(TEST):
        for nth, (label, start, end) in enumerate(plan.instances):
            score = 1 - ((3 * number + 2 * nth) % 8) / 8
            rows.append((plan.id, label, start + nth % 2, end + (number % 3) - 1, score))
            rows.append((plan.id, label, start + 1, end + 2, score))
            rows.append((plan.id, label, start, (start + end) / 2, score / 2))
            other = CLASSES[(CLASSES.index(label) + 1) % len(CLASSES)]
            rows.append((plan.id, other, start, end, 0.625))
        rows.append((plan.id, CLASSES[number % 3], 1, 2.5, 0.75))
        rows.append((plan.id, CLASSES[number % 3], plan.length, plan.length, 0.875))
    rows.append(("test_0", "jump", 4, 19, 1.5))  # as near to one instance as to the other
    rows.append(("test_0", "jump", 3, 9, 1.25))
    rows.append(("test_5", "jump", 2, 9, 1.5))  # reaches 1/4 with one and 5/8 with the next
    rows.append(("test_5", "jump", 1, 4, 1.25))
    rows.append(("test_1", "run", 4, 11, 0.5))
    table = _in_seconds([row[:4] for row in rows])
    return table.assign(score=[row[4] for row in rows])
