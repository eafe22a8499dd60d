"""A session on the tiny data set, small configs, and a counter of trainings."""

from dataclasses import replace
from pathlib import Path

from tests.tiny_dataset import SCHEDULE, tiny_dataset
from wtal_core.models import backtal, gaufuse, rskp, topk_mil
from wtal_core.runs import sweep
from wtal_core.runs.ledger import Ledger
from wtal_core.runs.train import Trainer
from wtal_core.study.session import Session

MEAN = replace(SCHEDULE, reduction="mean")
TOPK = replace(topk_mil.QUICK, hidden=8, schedule=MEAN)
BACKTAL = replace(
    backtal.QUICK,
    width=8,
    filter_width=8,
    emb_hidden=8,
    emb_dim=4,
    schedule=MEAN,
    inputs=replace(backtal.QUICK.inputs, clicks="none"),
    rule=replace(backtal.QUICK.rule, class_threshold=0.0),
)
RSKP = replace(
    rskp.QUICK,
    embedding=8,
    warm_up=2,
    spl_weights=((0, 1.0),),
    schedule=replace(SCHEDULE, learning_rate=1e-2),
)
GAUFUSE = replace(gaufuse.wrap("rskp", RSKP), label_settings=(("cas_mix", 0.8),))


def small_session(root: Path, monkeypatch, artifact="paper/method", seeds=(0, 1)) -> Session:
    """Its runs use the session's own data set object."""
    dataset = tiny_dataset()
    monkeypatch.setattr(sweep, "_opened", lambda name, fold: dataset)
    return Session(artifact, dataset, "quick", seeds, "cpu", Ledger(root), 1)


def count_trainings(monkeypatch) -> list[tuple[str, int, str]]:
    """(method, seed, device) of every network that is trained from now on: at its first epoch."""
    trainings = []
    epoch, build = Trainer.epoch, Trainer.__init__

    def counted_build(self, method_name, config, dataset, seed, device="cpu"):
        build(self, method_name, config, dataset, seed, device)
        self.about = (method_name, seed, str(device))

    def counted_epoch(self):
        if self.progress.epoch == 0:
            trainings.append(self.about)
        return epoch(self)

    monkeypatch.setattr(Trainer, "__init__", counted_build)
    monkeypatch.setattr(Trainer, "epoch", counted_epoch)
    return trainings


def forget_working_files(root: Path) -> None:
    """As in a fresh checkout: weights and detections are not committed."""
    for pattern in ("weights_*", "detections_*", "snapshots*"):
        for path in (root / ".work").rglob(pattern):
            path.unlink()
