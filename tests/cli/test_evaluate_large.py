"""`wtal evaluate` on a million detections of one video, on many overlapping ones, and on
real ones.
"""

import json
import resource
import time

import numpy as np
import pandas as pd
import pytest

from benchmarks.plain import evaluator as plain
from tests.data_samples import REAL, needs_real_data
from wtal_core.cli import main
from wtal_core.evaluation.protocols import PROTOCOLS, THUMOS_TIOUS, protocol
from wtal_core.evaluation.tables import read_detections, read_ground_truth


@pytest.fixture
def run(capsys):
    """Runs the command; returns its output as an object. It must succeed and print nothing on
    standard error but notes, such as that all scores are equal.
    """

    def call(*arguments) -> dict:
        with pytest.raises(SystemExit) as exit_:
            main(["evaluate", *map(str, arguments), "--json"])
        captured = capsys.readouterr()
        assert exit_.value.code == 0
        assert all(line.startswith("note: ") for line in captured.err.splitlines())
        return json.loads(captured.out)

    return call


def million(tied: bool) -> tuple[pd.DataFrame, pd.DataFrame, float]:
    """One video, one class, 100 instances; every 10,000th detection finds the next one, the others
    find the first again.
    """
    n, places = 1_000_000, np.arange(100) * 10_000
    instances = pd.DataFrame(
        {
            "video": "v",
            "label": "A",
            "t_start": 10.0 * np.arange(100),
            "t_end": 10.0 * np.arange(100) + 5,
        }
    )
    start = np.zeros(n)
    start[places] = 10.0 * np.arange(100)
    found = pd.DataFrame(
        {
            "video": "v",
            "label": "A",
            "t_start": start,
            "t_end": start + 5,
            "score": 0.5 if tied else np.arange(n, 0, -1) / n,
        }
    )
    precision = (np.arange(100) + 1) / (places + 1)
    return instances, found, 100 * float(np.maximum.accumulate(precision[::-1]).mean())


@pytest.mark.parametrize("tied", [False, True])
def test_a_million_detections_of_one_video(run, tmp_path, tied):
    instances, found, expected = million(tied)
    for name, table in (("truth", instances), ("found", found)):
        table.to_parquet(tmp_path / f"{name}.parquet", index=False)
    begin = time.process_time()
    content = run(tmp_path / "truth.parquet", tmp_path / "found.parquet")
    assert content["average"] == pytest.approx(expected, abs=1e-9) and 1 < expected < 3
    told = content["counts"]["detections"]
    assert (told["given"], told["used"], told["tied_scores"]) == (
        1_000_000,
        1_000_000,
        1_000_000 * tied,
    )
    assert told["repeated"] == 999_900 * tied
    assert (
        time.process_time() - begin < 60
        and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 6 * 2**20
    )  # KiB


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("name", PROTOCOLS)
def test_many_detections_of_one_video_equal_the_plain_evaluator(run, tmp_path, tied, name):
    rng = np.random.default_rng(0)
    n, start = 3000, rng.random(40) * 300
    truth = pd.DataFrame(
        {"video": "v", "label": "A", "t_start": start, "t_end": start + 1 + rng.exponential(8, 40)}
    )
    found = truth.iloc[rng.integers(0, 40, n)].reset_index(drop=True)
    found[["t_start", "t_end"]] += np.maximum(rng.normal(0, 2, n), -found["t_start"].to_numpy())[
        :, None
    ]
    found["score"] = 0.5 if tied else np.round(rng.random(n), 2)
    paths = tmp_path / "truth.parquet", tmp_path / "found.parquet"
    for table, path in zip((truth, found), paths, strict=True):
        table.to_parquet(path, index=False)
    content = run(*paths, "--protocol", name)
    expected = plain.mean_average_precision(
        read_ground_truth(paths[0]), read_detections(paths[1]), protocol(name), THUMOS_TIOUS
    )
    np.testing.assert_allclose(
        list(content["mAP"].values()), 100 * np.array(expected), rtol=0, atol=1e-9
    )


@needs_real_data
def test_real_detections_under_all_protocols(run):
    stpn, ambiguous = (
        REAL / "stpn",
        REAL / "thumos14" / "official" / "annotations_test" / "Ambiguous_test.txt",
    )
    content = run(
        stpn / "gt.json",
        stpn / "results.json",
        "--protocol",
        "all",
        "--ambiguous",
        ambiguous,
        "--tious",
        "0.1:0.1:0.9",
    )["protocols"]
    published = [
        52.1,
        44.2,
        34.7,
        26.1,
        17.7,
        10.1,
        5.0,
        1.3,
        0.1,
    ]  # its README (4.9 there is truncated)
    np.testing.assert_allclose(list(content["activitynet"]["mAP"].values()), published, atol=0.05)
    assert content["wtalc"]["counts"]["detections"]["dropped_ambiguous"] == 236
    assert content["wtalc"]["counts"]["ground_truth"]["without_length"] == 16
