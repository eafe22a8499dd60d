"""The quick profiles of the first round, in which many networks do not meet their objective: where
the choice of today's ones began.
"""

from dataclasses import replace
from typing import Any

from wtal_core.models.contract import Method

# method -> what differed: fields of the schedule, and of the Config
SCHEDULES: dict[str, dict[str, Any]] = {
    "topk_mil": {"epochs": 30},
    "facnet": {"epochs": 40, "learning_rate": 5e-3},
    "basnet": {"epochs": 40, "learning_rate": 5e-3, "evaluations": 2},
    "backtal": {
        "epochs": 40,
        "batch_size": 5,
        "learning_rate": 5e-3,
        "weight_decay": 5 * 5e-4,
        "epsilon": 5 * 1e-8,
    },
    "stpn": {"epochs": 100},
    "um": {"epochs": 40},
    "co2net": {"epochs": 25},
    "delu": {"epochs": 25},
    "rskp": {"learning_rate": 1e-2},
    "bm": {"epochs": 60},
    "sfnet": {"epochs": 24},
    "asmloc": {"epochs": 32},
    "ten": {"epochs": 40, "steps": ((0.5, 0.1),)},
    "emmil": {"steps": ((12 / 40, 4.0),)},
}
FIELDS: dict[str, dict[str, Any]] = {
    "topk_mil": {"hidden": 64},
    "facnet": {"embedding": 64},
    "backtal": {"filter_width": 64, "emb_hidden": 64},
    "rskp": {"embedding": 64},
    "sfnet": {"expand_epoch": 6},
    "asmloc": {"step_epochs": 16},
}


def first_quick(method: Method[Any, Any]) -> Any:
    """A method's quick profile of the first round."""
    from wtal_core.models import cw_plugin, gaufuse, rskp, stpn

    if method.name == "gaufuse":
        host = gaufuse.longer(first_quick(rskp.METHOD), 70)
        return gaufuse.wrap("rskp", host, **gaufuse.LABELLING)
    if method.name == "cw_plugin":
        return cw_plugin.wrap("stpn", stpn.for_plug_in(first_quick(stpn.METHOD)))
    quick: Any = method.profiles["quick"]
    changes = {"steps": (), **SCHEDULES.get(method.name, {})}
    return replace(
        quick, **FIELDS.get(method.name, {}), schedule=replace(quick.schedule, **changes)
    )
