"""Does `wtal results check` see a change of behaviour, and nothing else?

Each mutation is a small edit of a temporary copy of the package. Real ones (a comparison, a factor,
an order, a time base) have to move a number of every method that uses the code; neutral ones
(a local renamed, a message, a new switch) must move none. The old text of each has to be in the
package exactly once, so that this list fails loudly when code moves.

`python -m benchmarks.mutations [--all] [WORD]`: with --all every method is measured for every
mutation; otherwise those that a mutation concerns and one bystander. WORD: only mutations whose
name holds it. Exit status 1 if a real one was missed or a neutral one was seen.
"""

import argparse
import ast
import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pandas  # noqa: F401  loaded here, once, for all the processes that are forked
import scipy.optimize  # noqa: F401
import torch

from wtal_core.data.paths import PACKAGE
from wtal_core.models import method_names

ALL = tuple(method_names())
COMPUTES = {  # the parts of the package that decide a result
    *("models", "losses", "localization", "evaluation", "data", "runs"),
    *("packed.py", "segments.py", "timebase.py"),
}
PROPOSALS = ("facnet", "gaufuse", "rskp", "topk_mil")  # of `localization/proposals.py`
FRAMES = ("backtal", "basnet")


@dataclass(frozen=True)
class Mutation:
    """An edit: `old` becomes `new`. sees: methods that have to see it; () = neutral. Of those of
    shared code, `measured` are looked at unless all are asked for. moved: in place of `new`, a
    function that goes to the end of its file.
    """

    name: str
    old: str
    new: str = ""
    sees: tuple[str, ...] = ()
    measured: tuple[str, ...] | None = None
    bystander: str | None = None
    moved: str | None = None

    def applied(self, text: str) -> str:
        """The text of the file that holds `old`, mutated."""
        return text.replace(self.old, self.new) if self.moved is None else at_end(text, self.moved)


def at_end(text: str, name: str) -> str:
    """A file whose function of that name comes last."""
    lines = text.splitlines(keepends=True)
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    (function,) = [node for node in functions if node.name == name]
    first, last = function.lineno - 1, function.end_lineno
    return "".join([*lines[:first], *lines[last:], "\n\n", *lines[first:last]])


REAL = (
    # models
    Mutation(
        "dropout scale",
        "mul_(1 / (1 - rate))",
        "mul_(1 - rate)",
        ALL,
        ("topk_mil", "facnet"),
    ),
    Mutation(
        "facnet: temperature of heads",
        "tau * scores for tau in taus",
        "scores / tau for tau in taus",
        ("facnet", "gaufuse"),
        ("facnet",),
        "topk_mil",
    ),
    Mutation(
        "rskp: weight of the walk",
        "w * prototypes + w * w * inner",
        "w * prototypes + w * inner",
        ("rskp", "gaufuse"),
        ("rskp",),
        "topk_mil",
    ),
    Mutation(
        "rskp: memory keeps the worst",
        "np.argsort(-candidates",
        "np.argsort(candidates",
        ("rskp", "gaufuse"),
        ("rskp",),
        "topk_mil",
    ),
    Mutation(
        "gaufuse: growth of the weight",
        "config.weight * config.growth",
        "config.weight / config.growth",
        ("gaufuse",),
        None,
        "rskp",
    ),
    Mutation(
        "sfnet: expansion stops early",
        "for step in range(1, radius + 1)",
        "for step in range(1, radius)",
        ("sfnet",),
        None,
        "topk_mil",
    ),
    Mutation(
        "ten: repeated snippets",
        "begin = place - place % interval",
        "begin = place - place % (interval + 1)",
        ("ten",),
        None,
        "topk_mil",
    ),
    Mutation(
        "backtal: neighbours' affinity at the wrong side",
        "torch.arange(window, device=e.device)[:, None] == window // 2",
        "torch.arange(window, device=e.device)[:, None] == window // 2 - 1",
        ("backtal",),
        None,
        "topk_mil",
    ),
    Mutation(
        "sampling: last part",
        "last[:, -1] -= 1",
        "last[:, -1] -= 2",
        ("basnet", "ten"),
        ("basnet",),
        "topk_mil",
    ),
    # losses
    Mutation(
        "cross entropy: sum of labels",
        "labels.sum(-1, keepdim=True) + 1e-8",
        "labels.sum(-1, keepdim=True) ** 2 + 1e-8",
        PROPOSALS,
        ("topk_mil", "rskp"),
        "ten",
    ),
    Mutation(
        "separation: sign",
        "softplus(mean - action[:, :classes])",
        "softplus(action[:, :classes] - mean)",
        ("backtal",),
        None,
        "basnet",
    ),
    Mutation(
        "mined background: count",
        "(ratio * clicked.double()).floor()",
        "(ratio * clicked.double()).ceil()",
        ("backtal", "sfnet"),
        ("sfnet",),
        "topk_mil",
    ),
    Mutation(
        "ten: direction of the divergence",
        "(log_p.exp() * (log_p - log_q))",
        "(log_q.exp() * (log_q - log_p))",
        ("ten",),
        None,
        "topk_mil",
    ),
    Mutation(
        "label loss of BaS-Net: mean becomes sum",
        'target, reduction="none").mean(-1)',
        'target, reduction="none").sum(-1)',
        FRAMES,
        ("basnet",),
        "topk_mil",
    ),
    # localization
    Mutation(
        "NMS: > becomes >=",
        "if inclusive else limit",
        "if inclusive or True else limit",
        ("facnet", "gaufuse", "ten"),
        ("facnet", "ten"),
        "sfnet",
    ),
    Mutation(
        "clusters: the worst head takes a proposal",
        "end[j]) > limit)[::-1]",
        "end[j]) > limit)",
        ("gaufuse", "rskp"),
        ("rskp",),
        "topk_mil",
    ),
    Mutation(
        "a proposal's end",
        "end=(end + 1).astype(np.float64)",
        "end=end.astype(np.float64)",
        PROPOSALS,
        ("rskp", "topk_mil"),
        "ten",
    ),
    Mutation(
        "a run is strictly above its threshold",
        "np.greater(walled, thresholds",
        "np.greater_equal(walled, thresholds",
        PROPOSALS,
        ("facnet", "topk_mil"),
        "ten",
    ),
    Mutation(
        "outer area: last snippet",
        "np.floor(end + margin + 1).astype(np.int64), length - 1",
        "np.floor(end + margin + 1).astype(np.int64), length",
        PROPOSALS,
        ("topk_mil",),
        "ten",
    ),
    Mutation(
        "class threshold: >= becomes >",
        "video_score >= threshold",
        "video_score > threshold",
        ("backtal", "basnet", "facnet", "ten", "gaufuse", "rskp", "topk_mil"),
        ("ten", "rskp", "basnet"),
        "sfnet",
    ),
    Mutation(
        "ambiguous detections are kept",
        "np.flatnonzero(~hit)",
        "np.flatnonzero(hit | ~hit)",
        ("facnet", "gaufuse", "rskp"),
        ("facnet", "rskp"),
        "topk_mil",
    ),
    Mutation(
        "fusion: temperature",
        "np.exp((logit - highest[owner]) / temperature)",
        "np.exp((logit - highest[owner]) * temperature)",
        ("gaufuse", "rskp"),
        ("gaufuse",),
        "sfnet",
    ),
    Mutation(
        "frames: first frame's run",
        "-np.inf), 0.0",
        "-np.inf), -1.0",
        ("backtal", "basnet", "ten"),
        ("basnet",),
        "topk_mil",
    ),
    Mutation(
        "sfnet: run above the mean",
        "return moved > ",
        "return moved >= ",
        ("sfnet",),
        None,
        "topk_mil",
    ),
    Mutation(
        "upsampling: centre of a snippet",
        "position = np.clip(first + (fine + 0.5) / factor - 0.5, first, last)",
        "position = np.clip(first + fine / factor, first, last)",
        ("facnet", "gaufuse", "rskp", "ten"),
        ("facnet", "ten"),
        "topk_mil",
    ),
    Mutation(
        "linear programme: outer area of labels",
        "np.trunc(right + margin + 1)",
        "np.trunc(right + margin)",
        ("gaufuse",),
        None,
        "topk_mil",
    ),
    # evaluation
    Mutation(
        "AP: rank",
        "(nth + 1) / (rank + 1)",
        "(nth + 1) / (rank + 2)",
        ALL,
        ("topk_mil",),
    ),
    Mutation(
        "AP: envelope from the wrong side",
        "np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]",
        "np.maximum.accumulate(precision, axis=1)",
        ALL,
        ("topk_mil",),
    ),
    Mutation(
        "matching: the first in place of the best",
        'id="wtalc",',
        'id="wtalc", matching="first",',
        ALL,
        ("topk_mil",),
    ),
    Mutation(
        "equal tIoU: the later in place of the earlier",
        'if tie == "later"',
        'if tie != "later"',
        ALL,
        ("topk_mil",),
    ),
    Mutation(
        "duplicates of the ground truth",
        "minlength=len(key)) == 0",
        "minlength=len(key)) >= 0",
        ALL,
        ("topk_mil",),
    ),
    Mutation(
        "order of equal scores",
        "np.lexsort((-score[used],",
        "np.lexsort((-used, -score[used],",
        ALL,
        ("topk_mil",),
    ),
    Mutation(
        "background error: threshold",
        "overlap >= BACKGROUND_TIOU",
        "overlap >= 3 * BACKGROUND_TIOU",
        ALL,
        ("topk_mil",),
    ),
    Mutation(
        "tIoU: union",
        "union = (end_a - start_a) + (end_b - start_b) - shared",
        "union = (end_a - start_a) + (end_b - start_b)",
        ALL,
        ("topk_mil",),
    ),
    # data
    Mutation(
        "time base: offset",
        "(seconds * self.fps - self.offset) / self.stride",
        "(seconds * self.fps + self.offset) / self.stride",
        ALL,
        ("topk_mil",),
    ),
    Mutation(
        "halves round to even",
        "np.rint(self.snippets(np.asarray(seconds, dtype=np.float64)))",
        "np.floor(0.5 + self.snippets(np.asarray(seconds, dtype=np.float64)))",
        ALL,
        ("topk_mil",),
    ),
    Mutation(
        "clicks: share of a label",
        "targets /= np.maximum(targets.sum(axis=1, keepdims=True), 1)",
        "targets /= 1",
        ("backtal", "basnet", "sfnet"),
        ("sfnet",),
        "topk_mil",
    ),
    Mutation(
        "rescaling: half a pixel",
        "(j + 0.5) * length / longer - 0.5",
        "(j + 0.5) * length / longer",
        ("backtal", "basnet", "sfnet"),
        ("basnet",),
        "topk_mil",
    ),
    Mutation(
        "simulator: strength of a weak part",
        "constants.weak[s] / 2 * lookalike",
        "constants.weak[s] * lookalike",
        ALL,
        ("topk_mil",),
    ),
    # training
    Mutation(
        "Adam's epsilon",
        "self.epsilon / scale",
        "10 * self.epsilon / scale",
        ALL,
        ("topk_mil", "backtal"),
    ),
    Mutation(
        "best epoch on a tie",
        'selected > self.progress.best["selected"]',
        'selected >= self.progress.best["selected"]',
        ALL,
        ("topk_mil",),
    ),
    Mutation(
        "default of a Config",
        "= 1.035",
        "= 1.036",
        ("gaufuse",),
        None,
        "topk_mil",
    ),
)
NEUTRAL = (
    Mutation(
        "a local is renamed",
        "target = labels / (labels.sum(-1, keepdim=True) + 1e-8)\n"
        "    return -(target * probability.log()).sum(-1)",
        "wanted = labels / (labels.sum(-1, keepdim=True) + 1e-8)\n"
        "    return -(wanted * probability.log()).sum(-1)",
        measured=("rskp", "topk_mil"),
    ),
    Mutation(
        "message of an error",
        "unknown overlap {overlap!r}; choose",
        "overlap {overlap!r} is not known; choose",
        measured=("facnet", "topk_mil"),
    ),
    Mutation(
        "a new switch that is off",
        "    em_steps: ",
        "    rectified: bool = False\n    em_steps: ",
        measured=("gaufuse", "rskp"),
    ),
    Mutation(
        "an extracted function",
        "    return -(target * probability.log()).sum(-1)",
        "    return -_weighted(target, probability)\n\n\n"
        "def _weighted(target, probability):\n"
        "    return (target * probability.log()).sum(-1)",
        measured=("rskp", "topk_mil"),
    ),
    Mutation(
        "constant of checkpoints",
        "CHECKPOINT_SECONDS = 30.0",
        "CHECKPOINT_SECONDS = 60.0",
        measured=("facnet", "topk_mil"),
    ),
    Mutation(
        "test videos at once",
        "TEST_BATCH = 32",
        "TEST_BATCH = 3",
        measured=("facnet", "topk_mil"),
    ),
    Mutation(
        "pairs at once in NMS",
        "PAIRS_AT_ONCE = 2**16",
        "PAIRS_AT_ONCE = 2**6",
        measured=("facnet", "ten"),
    ),
    Mutation(
        "a docstring",
        '"""Mean average precision of temporal detections',
        '"""mAP of temporal detections',
        measured=("sfnet", "topk_mil"),
    ),
    Mutation(
        "a comprehension becomes a loop",
        "sums = [self.step(batch) for batch in batches]",
        "sums = []\n        for batch in batches:\n            sums.append(self.step(batch))",
        measured=("facnet", "topk_mil"),
    ),
    Mutation(
        "functions change places",
        "def random_crops(",
        moved="random_crops",
        measured=("sfnet", "topk_mil"),
    ),
    Mutation(
        "the same product in another order",
        "x * kept.mul_(1 / (1 - rate))",
        "(x * kept) / (1 - rate)",
        measured=("backtal", "topk_mil"),
    ),
    Mutation(
        "title of a protocol",
        'title="ActionFormer"',
        'title="Action Former"',
        measured=("sfnet", "topk_mil"),
    ),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("word", nargs="?", default="")
    arguments = parser.parse_args()
    chosen = [m for m in (*REAL, *NEUTRAL) if arguments.word in m.name]
    texts = sources()
    wrong = [text for mutation in chosen if (text := misplaced(mutation, texts))]
    if wrong:
        print("\n".join(wrong))
        return 1
    torch.set_num_threads(1)
    begin = time.perf_counter()
    failures = sum(not tried(mutation, texts, arguments.all) for mutation in chosen)
    real = sum(bool(mutation.sees) for mutation in chosen)
    print(
        f"\n{real} real mutations, {len(chosen) - real} neutral ones; {failures} not as expected; "
        f"{time.perf_counter() - begin:.0f} s"
    )
    return int(failures > 0)


def sources() -> dict[Path, str]:
    """The files of the package that decide a result, and their texts."""
    return {
        path: path.read_text()
        for path in sorted(PACKAGE.glob("**/*.py"))
        if path.relative_to(PACKAGE).parts[0] in COMPUTES
    }


def misplaced(mutation: Mutation, texts: dict[Path, str]) -> str | None:
    """What is wrong with the old text of a mutation, None if it is there exactly once."""
    times = sum(text.count(mutation.old) for text in texts.values())
    if times == 1:
        return None
    return f"{mutation.name}: {mutation.old!r} is in the package {times} times, expected once"


def tried(mutation: Mutation, texts: dict[Path, str], everything: bool) -> bool:
    """Measure the mutated package, print a row of the table, and say whether it is as expected."""
    measured = mutation.measured or mutation.sees
    if mutation.bystander:
        measured = (*measured, mutation.bystander)
    if everything:
        measured = ALL
    changes = measured_changes(mutation, texts, measured)
    expected = {name for name in measured if name in mutation.sees}
    seen = {name for name, change in changes.items() if change is not None}
    verdict = "ok" if seen == expected else "MISSED" if expected - seen else "FALSE ALARM"
    kind = "real" if mutation.sees else "neutral"
    first = next((change for change in changes.values() if change), "")
    seen_by = ", ".join(sorted(seen)) or "none"
    print(f"{verdict:11} | {kind:7} | {mutation.name} | {seen_by} of {len(measured)} | {first}")
    sys.stdout.flush()
    return verdict == "ok"


def measured_changes(
    mutation: Mutation, texts: dict[Path, str], methods: tuple[str, ...]
) -> dict[str, str | None]:
    """Method -> what moved first, or the error it ended in; None if nothing."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / PACKAGE.name
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        for beside in ("data_manifests", "pyproject.toml"):  # what makes a folder a checkout
            if (PACKAGE.parent / beside).exists():
                os.symlink(PACKAGE.parent / beside, Path(folder) / beside)
        (file,) = (path for path, text in texts.items() if mutation.old in text)
        mutated = mutation.applied(texts[file])
        (copy / file.relative_to(PACKAGE)).write_text(mutated)
        answer = Path(folder) / "answer.json"
        child = os.fork()
        if child == 0:
            answer.write_text(json.dumps(answers(folder, methods)))
            os._exit(0)
        os.waitpid(child, 0)
        return json.loads(answer.read_text())


def answers(folder: str, methods: tuple[str, ...]) -> dict[str, str | None]:
    """In the forked process: import the mutated copy afresh, and compare."""
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE.name]:
        del sys.modules[name]
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True
    found: dict[str, str | None] = {}
    for name in methods:
        try:
            from wtal_core.runs import behaviour

            change = behaviour.compare(name)
            found[name] = change and f"{change.name}: {change.old} -> {change.new}"
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}".splitlines()[0]
    return found


if __name__ == "__main__":
    sys.exit(main())
