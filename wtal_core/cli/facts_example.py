"""The example in docs/feature_facts.md: a part of what `wtal data facts simulated` prints.

`make docs` writes it; a test compares.
"""

import json
import re
from pathlib import Path

from wtal_core.data.opening import open_dataset
from wtal_core.study.feature_facts import feature_facts

EXAMPLE = re.compile(r"(?<=```json\n).*?(?=```)", re.DOTALL)
OF_DATASET = ("name", "fingerprint", "videos", "coverage")
OF_STREAM = ("autocorrelation", "norm", "effective_rank", "accuracy", "auc")


def example() -> str:
    """Some of the numbers of the embedded data set, of its first stream."""
    facts = feature_facts(open_dataset("simulated"))
    stream, of_stream = next(iter(facts["streams"].items()))
    part = {
        "dataset": {key: facts["dataset"][key] for key in OF_DATASET},
        "streams": {stream: {key: of_stream[key] for key in OF_STREAM}},
        "left_out": facts["left_out"],
    }
    return json.dumps(part, indent=2, ensure_ascii=False) + "\n"


def write(page: Path) -> None:
    """Put the example into the page."""
    text = example()
    page.write_text(EXAMPLE.sub(lambda _: text, page.read_text(encoding="utf-8")), encoding="utf-8")
