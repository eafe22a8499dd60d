"""What candidates of a quick profile reach, told from training loss and labels alone.

    python -m tools.choose_profiles facnet --dataset simulated-2 --seeds 2

One line per candidate and seed: whether the objective is met, the losses beside their bounds, how
much the total loss still fell in the last quarter, and seconds per run. mAP is never looked at: a
profile that is chosen by it would be tuned for the result. The candidates stand below; the chosen
ones are announced in `docs/profiles.md`.
"""

import time
from dataclasses import replace
from typing import Any

import tyro
from tabulate import tabulate
from tyro.conf import Positional

from tools.first_profiles import first_quick
from wtal_core.data.opening import open_dataset
from wtal_core.models import method
from wtal_core.models.contract import MethodConfig
from wtal_core.models.shared.schedule import SETTLING, WARM_UP
from wtal_core.runs.train import Trainer, suited_threads

DECAY, WARM = SETTLING, WARM_UP
# method -> name of a candidate -> changes of the quick profile of the first round; of its schedule
# by "lr", "epochs", "steps", "batch" and "decay"
WIDE = {"width": 128, "filter_width": 128}
CANDIDATES: dict[str, dict[str, dict[str, Any]]] = {
    "topk_mil": {
        "decay": {"steps": DECAY},
        "hidden 128, 40 epochs, decay": {"hidden": 128, "epochs": 40, "steps": DECAY},
    },
    "facnet": {
        "width 256, lr 4e-3, 30 epochs, decay": {
            "embedding": 256,
            "lr": 4e-3,
            "epochs": 30,
            "steps": DECAY,
        },
        "width 256, decay": {"embedding": 256, "lr": 2e-3, "steps": DECAY},
        "width 256, 60 epochs, decay": {
            "embedding": 256,
            "lr": 2e-3,
            "epochs": 60,
            "steps": DECAY,
        },
    },
    "basnet": {
        "lr 2e-3, decay": {"lr": 2e-3, "steps": DECAY},
        "lr 2e-3, 80 epochs, decay": {"lr": 2e-3, "epochs": 80, "steps": DECAY},
        "lr 1e-3, 80 epochs, decay": {"lr": 1e-3, "epochs": 80, "steps": DECAY},
    },
    "backtal": {
        "filter 128, batch 10, lr 8e-3, 60 epochs, decay 1e-4, warm-up, decay": {
            "filter_width": 128,
            "emb_hidden": 128,
            "batch": 10,
            "lr": 8e-3,
            "epochs": 60,
            "decay": 10 * 1e-4,
            "steps": WARM,
        },
        "filter 128, batch 10, lr 8e-3, 60 epochs, decay 2.5e-4, warm-up, decay": {
            "filter_width": 128,
            "emb_hidden": 128,
            "batch": 10,
            "lr": 8e-3,
            "epochs": 60,
            "decay": 10 * 2.5e-4,
            "steps": WARM,
        },
        "lr 4e-3, 50 epochs, warm-up, decay": {"lr": 4e-3, "epochs": 50, "steps": WARM},
        "lr 3e-3, 80 epochs, warm-up, decay": {"lr": 3e-3, "epochs": 80, "steps": WARM},
        "lr 2e-3, 80 epochs, decay": {"lr": 2e-3, "epochs": 80, "steps": DECAY},
        "lr 1e-3, 120 epochs, decay": {"lr": 1e-3, "epochs": 120, "steps": DECAY},
        "width 128, lr 2e-3, 80 epochs, decay": {
            **WIDE,
            "lr": 2e-3,
            "epochs": 80,
            "steps": DECAY,
        },
    },
    "wtalc": {"decay": {"steps": DECAY}},
    "stpn": {
        "decay": {"steps": DECAY},
        "150 epochs, decay": {"epochs": 150, "steps": DECAY},
    },
    "um": {
        "60 epochs, decay": {"epochs": 60, "steps": DECAY},
        "lr 4e-3, 60 epochs, decay": {"lr": 4e-3, "epochs": 60, "steps": DECAY},
        "decay": {"steps": DECAY},
    },
    "hamnet": {
        "decay": {"steps": DECAY},
        "60 epochs, decay": {"epochs": 60, "steps": DECAY},
    },
    "co2net": {
        "lr 5e-3, 30 epochs, decay": {"lr": 5e-3, "epochs": 30, "steps": DECAY},
        "lr 2e-3, 40 epochs, decay": {"lr": 2e-3, "epochs": 40, "steps": DECAY},
        "60 epochs, decay": {"lr": 2e-3, "epochs": 60, "steps": DECAY},
    },
    "delu": {
        "lr 5e-3, 30 epochs, decay": {"lr": 5e-3, "epochs": 30, "steps": DECAY},
        "lr 2e-3, 40 epochs, decay": {"lr": 2e-3, "epochs": 40, "steps": DECAY},
        "60 epochs, decay": {"lr": 2e-3, "epochs": 60, "steps": DECAY},
    },
    "cola": {"60 epochs, decay": {"epochs": 60, "steps": DECAY}, "decay": {"steps": DECAY}},
    "rskp": {
        "width 256, lr 2e-3, decay": {"embedding": 256, "lr": 2e-3, "steps": DECAY},
        "width 128, lr 5e-3, decay": {"embedding": 128, "lr": 5e-3, "steps": DECAY},
    },
    "ten": {
        "80 epochs, decay": {"epochs": 80, "steps": DECAY},
        "width 128, lr 5e-3, 50 epochs, decay": {
            "embedding": 128,
            "lr": 5e-3,
            "epochs": 50,
            "steps": DECAY,
        },
        "60 epochs, decay": {"epochs": 60, "steps": DECAY},
        "lr 1e-2, 40 epochs, decay": {"lr": 1e-2, "steps": DECAY},
        "decay": {"steps": DECAY},
        "width 128, lr 2e-3, decay": {"embedding": 128, "lr": 2e-3, "steps": DECAY},
    },
    "bm": {"decay": {"steps": DECAY}, "100 epochs, decay": {"epochs": 100, "steps": DECAY}},
    "c3net": {"decay": {"steps": DECAY}, "60 epochs, decay": {"epochs": 60, "steps": DECAY}},
    "a2clpt": {"decay": {"steps": DECAY}, "60 epochs, decay": {"epochs": 60, "steps": DECAY}},
    "sfnet": {
        "48 epochs, decay": {"epochs": 48, "expand_epoch": 12, "steps": DECAY},
        "decay": {"steps": DECAY},
        "lr 4e-3, 40 epochs, decay": {
            "lr": 4e-3,
            "epochs": 40,
            "expand_epoch": 10,
            "steps": DECAY,
        },
    },
    "emmil": {},
    "asmloc": {
        "48 epochs, decay": {"epochs": 48, "step_epochs": 24, "steps": DECAY},
        "decay": {"steps": DECAY},
    },
}
SCHEDULE = {
    "lr": "learning_rate",
    "epochs": "epochs",
    "steps": "steps",
    "batch": "batch_size",
    "decay": "weight_decay",
}


def candidate(base: MethodConfig, changes: dict[str, Any]) -> MethodConfig:
    """The profile with these changes."""
    of_schedule = {SCHEDULE[name]: value for name, value in changes.items() if name in SCHEDULE}
    others = {name: value for name, value in changes.items() if name not in SCHEDULE}
    schedule = replace(base.schedule, **of_schedule, evaluations=1)
    return replace(base, **others, schedule=schedule)


def trained(name: str, config: MethodConfig, dataset: Any, seed: int) -> dict[str, Any]:
    """One line: what one training reaches."""
    begin = time.process_time()
    trainer = Trainer(name, config, dataset, seed)
    with suited_threads(trainer.progress.network):
        while trainer.progress.epoch < config.schedule.epochs:
            trainer.epoch()
    seconds = time.process_time() - begin
    history = trainer.progress.history
    found = trainer.objective(history)
    bounds = ", ".join(
        f"{'+'.join(b['terms'])} {b['loss']:.3f} < {b['limit']:.3f}" for b in found["bounds"]
    )
    totals = [entry["total"] for entry in history]
    quarter = max(1, len(totals) // 4)
    fall = sum(totals[-2 * quarter : -quarter]) / quarter - sum(totals[-quarter:]) / quarter
    return {
        "met": found["met"],
        "recalled": f"{found['recalled']:.2f}",
        "total": f"{found['total']:.3f}",
        "fell": f"{fall:.3f}",
        "bounds": bounds,
        "CPU s": f"{seconds:.1f}",
    }


def main(
    name: Positional[str], dataset: str = "simulated-2", seeds: int = 2, only: str = ""
) -> None:
    """Train the candidates of a method.

    Args:
        name: the method.
        dataset: data set, see `wtal data list`.
        seeds: number of seeds.
        only: a candidate; all where none is named.
    """
    data = open_dataset(dataset)
    first = first_quick(method(name))
    asked = {
        "chosen": candidate(method(name).profiles["quick"], {}),
        "first round": candidate(first, {}),
    }
    for title, changes in CANDIDATES.get(name, {}).items():
        asked[title] = candidate(first, changes)
    for title in [only] if only else asked:
        config = asked[title]
        lines = [
            {"method": name, "candidate": title, "seed": seed, **trained(name, config, data, seed)}
            for seed in range(seeds)
        ]
        print(tabulate(lines, tablefmt="plain"), flush=True)


if __name__ == "__main__":
    tyro.cli(main)
