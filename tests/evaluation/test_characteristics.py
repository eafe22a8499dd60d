"""Characteristics of instances, their buckets, and durations from a file."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from tests.data_samples import REAL, needs_real_data
from tests.evaluation.test_mean_average_precision import table
from wtal_core.errors import WorkbookError
from wtal_core.evaluation.characteristics import (
    ACTIVITYNET_BUCKETS,
    THUMOS14_BUCKETS,
    Buckets,
    characteristics,
    read_durations,
    read_traits,
)
from wtal_core.evaluation.ground_truth import GroundTruth
from wtal_core.evaluation.tables import read_ground_truth

TRUTH = GroundTruth(
    table([("v", "A", 0.0, 10.0), ("w", "A", 2.0, 5.0), ("v", "B", 20.0, 22.0)]),
    ("v", "w"),
    ("A", "B"),
)
DETAD = REAL / "thumos14" / "detad" / "thumos14_test_extra_characteristics.json"


def test_coverage_length_and_instances_of_the_video():
    got = characteristics(TRUTH, {"v": 40.0, "other": 7.0})
    assert got["length"].tolist() == [10, 3, 2]
    assert got["instances"].tolist() == [2, 1, 2]  # of any class
    np.testing.assert_array_equal(got["coverage"], [0.25, np.nan, 0.05])
    assert characteristics(TRUTH)["coverage"].isna().all()


def test_rows_keep_their_place_whatever_the_index():
    truth = GroundTruth(TRUTH.segments.iloc[[2, 1]], TRUTH.videos, TRUTH.classes)
    got = characteristics(truth, {"v": 40.0, "w": 30.0})
    assert got.index.tolist() == [0, 1] and got["coverage"].tolist() == [0.05, 0.1]


@needs_real_data
def test_agree_with_the_published_characteristics():
    published = [
        one
        for entry in json.loads(DETAD.read_text())["database"].values()
        for one in entry["annotations"]
    ]
    got = characteristics(read_ground_truth(DETAD))
    assert len(got) == 3358
    np.testing.assert_allclose(
        got["length"], [one["length"] for one in published], rtol=0, atol=1e-9
    )
    np.testing.assert_array_equal(got["instances"], [one["num-instances"] for one in published])


@needs_real_data
def test_agree_with_the_published_coverage():
    """DETAD's file names no duration; those of W-TALC's arrays give its coverage to 5e-5 of it, and
    the same buckets.
    """
    truth = read_ground_truth(DETAD)
    folder = REAL / "thumos14" / "Thumos14reduced-Annotations"
    names, seconds = (np.load(folder / f"{name}.npy").ravel() for name in ("videoname", "duration"))
    got = characteristics(
        truth, dict(zip(names.astype(str).tolist(), seconds.tolist(), strict=True))
    )["coverage"]
    published = [
        one["coverage"]
        for entry in json.loads(DETAD.read_text())["database"].values()
        for one in entry["annotations"]
    ]
    np.testing.assert_allclose(got, published, rtol=1e-4)
    coverage = THUMOS14_BUCKETS[0]
    np.testing.assert_array_equal(
        coverage.number(got.to_numpy()), coverage.number(np.array(published))
    )


@pytest.mark.parametrize(
    "buckets", [*THUMOS14_BUCKETS, *ACTIVITYNET_BUCKETS], ids=lambda one: one.name
)
def test_buckets_are_right_closed_and_hold_their_lowest_edge(buckets):
    inner = np.array(buckets.edges[1:-1])
    np.testing.assert_array_equal(buckets.number(inner), np.arange(len(inner)))
    np.testing.assert_array_equal(
        buckets.number(np.nextafter(inner, math.inf)), np.arange(len(inner)) + 1
    )
    outside = [np.nan, np.nextafter(buckets.edges[0], -math.inf)]
    assert buckets.number(
        np.array([*buckets.edges[:1], *buckets.edges[-1:], *outside])
    ).tolist() == [0, len(buckets.labels) - 1, -1, -1]


def test_buckets_sort_as_pandas_does():
    values = np.random.default_rng(0).choice(
        [0, 0.01, 0.02, 0.04, 0.05, 0.2, 0.4, 0.6, 0.8, 1.0, 3.0, 12.0, -1.0, np.nan], 500
    )
    for buckets in (*THUMOS14_BUCKETS, *ACTIVITYNET_BUCKETS):
        expected = pd.cut(
            values, list(buckets.edges), labels=list(buckets.labels), include_lowest=True
        )
        np.testing.assert_array_equal(buckets.number(values), expected.codes)


@pytest.mark.parametrize(
    ("edges", "labels"),
    [((0.0, 1.0), ("S", "L")), ((0.0, 1.0, 1.0), ("S", "L")), ((0.0, math.nan), ("S",))],
)
def test_buckets_that_do_not_fit_are_refused(edges, labels):
    with pytest.raises(
        WorkbookError,
        match=r"buckets of length: edges .* must rise and be one more than the labels",
    ):
        Buckets("length", "s", edges, labels)


def test_durations_of_a_file(tmp_path):
    path = tmp_path / "truth.json"
    path.write_text(
        json.dumps(
            {
                "database": {
                    "v": {"duration": 12.5, "annotations": []},
                    "w": {"duration": "8"},
                    "x": {},
                    "y": {"duration": None},
                }
            }
        )
    )
    assert read_durations(path) == {"v": 12.5, "w": 8.0}
    assert read_durations(str(path)) == {"v": 12.5, "w": 8.0}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"database": {"v": {"duration": 0}}}',
            "video v has the duration '0'; write a positive number of seconds",
        ),
        ('{"database": {"v": {"duration": "long"}}}', "video v has the duration 'long'"),
        ('{"database": {"v": {"duration": [1]}}}', r"video v has the duration '\[1\]'"),
        ('{"database": {"v": {"duration": NaN}}}', "video v has the duration 'nan'"),
        ('{"database": {"v": {}}}', "no video has the key 'duration'; add it, in seconds"),
        ('{"database": []}', "the key 'database' with an object is missing"),
        ("[]", "the key 'database' with an object is missing"),
        ('{"database"', "not complete JSON"),
    ],
)
def test_files_without_usable_durations_are_refused(tmp_path, content, message):
    path = tmp_path / "truth.json"
    path.write_text(content)
    with pytest.raises(WorkbookError, match=message):
        read_durations(path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(WorkbookError, match=r"none\.json: there is no such file"):
        read_durations(tmp_path / "none.json")


def test_durations_of_other_videos_or_without_length_are_refused():
    with pytest.raises(
        WorkbookError,
        match=r"not one video is in the ground truth; it names 'v', the durations 'v_v'",
    ):
        characteristics(TRUTH, {"v_v": 10.0})
    with pytest.raises(WorkbookError, match=r"durations: video v has the duration '-1\.0'"):
        characteristics(TRUTH, {"v": -1.0})


def test_tables_of_characteristics_that_do_not_fit_are_refused():
    traits = characteristics(TRUTH)
    assert list(read_traits(traits.assign(more=1), TRUTH, THUMOS14_BUCKETS).columns) == [
        "coverage",
        "length",
        "instances",
    ]
    with pytest.raises(WorkbookError, match="2 rows for 3 instances; give a row per row"):
        read_traits(traits.iloc[:2], TRUTH, THUMOS14_BUCKETS)
    with pytest.raises(
        WorkbookError, match="column 'length' is missing; expected coverage, length, instances"
    ):
        read_traits(traits.drop(columns="length"), TRUTH, THUMOS14_BUCKETS)
    with pytest.raises(WorkbookError, match="column 'length' holds something that is not a number"):
        read_traits(traits.assign(length="long"), TRUTH, THUMOS14_BUCKETS)


def test_ranges_say_what_a_bucket_holds():
    coverage, length, instances = (one.ranges() for one in THUMOS14_BUCKETS)
    assert coverage == ["≤ 2 %", "2 to 4 %", "4 to 6 %", "6 to 8 %", "8 to 100 %"]
    assert length == ["≤ 3 s", "3 to 6 s", "6 to 12 s", "12 to 18 s", "> 18 s"]
    assert instances == ["≤ 1", "1 to 40", "40 to 80", "> 80"]
