"""`wtal evaluate`: its options, and what happens with odd input. README.md has the same list as a
table.
"""

import json
import math

import pandas as pd
import pytest

from wtal_core.cli import main
from wtal_core.evaluation.protocols import PROTOCOLS, THUMOS_TIOUS

TRUTH = {
    "database": {
        "v1": {
            "subset": "test",
            "annotations": [
                {"label": "run", "segment": [1.0, 4.0]},
                {"label": "jump", "segment": [7.0, 9.0]},
            ],
        },
        "v2": {"subset": "test", "annotations": [{"label": "run", "segment": [2.0, 6.0]}]},
        "v3": {"subset": "test", "annotations": []},
    }
}
GOOD = [
    {"label": "run", "segment": [1.0, 4.0], "score": 0.9},
    {"label": "jump", "segment": [7.0, 9.0], "score": 0.8},
]


@pytest.fixture
def run(capsys):
    """Runs the command; returns (exit status, standard output, lines of standard error)."""

    def call(*arguments) -> tuple[int, str, list[str]]:
        with pytest.raises(SystemExit) as exit_:
            main(["evaluate", *map(str, arguments)])
        captured = capsys.readouterr()
        return exit_.value.code, captured.out, captured.err.splitlines()

    return call


@pytest.fixture
def score(run, tmp_path):
    """Scores texts or objects of detections and ground truth; returns as `run`, with --json output
    as an object.
    """

    def call(found, *options, truth=TRUTH):
        for name, content in (("found.json", found), ("truth.json", truth)):
            data = content if isinstance(content, str | bytes) else json.dumps(content)
            (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
        status, out, err = run(tmp_path / "truth.json", tmp_path / "found.json", "--json", *options)
        return status, json.loads(out) if out else None, err

    return call


def results(*extra, **videos) -> dict:
    """The good detections and more of the same video, and of other videos."""
    return {"results": {"v1": [*GOOD, *extra], **videos}}


def detection(**changed) -> dict:
    return {"label": "run", "segment": [20.0, 22.0], "score": 0.1, **changed}


def assert_refused(answer, *words: str) -> None:
    """Status 2, nothing printed, one line on standard error that holds these words."""
    status, out, err = answer
    assert (status, out or None, len(err)) == (2, None, 1), answer
    assert err[0].startswith("wtal: ") and "Traceback" not in err[0]
    for word in words:
        assert word in err[0], err[0]


def nonzero(content: dict, kind: str) -> dict:
    return {name: n for name, n in content["counts"][kind].items() if n}


# --- options


def test_all_protocols_and_given_thresholds(score, run, tmp_path):
    status, content, err = score(results(), "--protocol", "all", "--tious", "0.1:0.1:0.7")
    assert status == 0 and not err and list(content["protocols"]) == list(PROTOCOLS)
    for one in content["protocols"].values():
        assert one["tious"] == list(THUMOS_TIOUS) and list(one["mAP"]) == [
            f"0.{n}0" for n in range(1, 8)
        ]
        assert one["average"] == pytest.approx(75)  # run: one of two instances; jump: all
    status, out, _ = run(
        tmp_path / "truth.json",
        tmp_path / "found.json",
        "--protocol",
        "all",
        "--tious",
        "0.5,0.125",
    )
    assert (
        status == 0
        and "0.125" in out
        and all(out.count(f"\n{name} ") == 1 for name in ("opentad", "wtalc-2019"))
    )


def test_a_class_each_and_the_range_of_orders(score, run, tmp_path):
    found = results(detection(score=0.8, label="jump"))
    status, content, _ = score(found, "--order-range", "--protocol", "opentad")
    assert status == 0 and content["ap"]["run"]["0.50"] == pytest.approx(50)
    assert content["counts"]["detections"]["tied_scores"] == 2
    assert [content["order_range"][one]["average"] for one in ("low", "high")] == [
        pytest.approx(50),
        pytest.approx(75),
    ]
    out = run(tmp_path / "truth.json", tmp_path / "found.json", "--order-range", "--per-class")[1]
    rows = {line.split("  ")[0]: line.split()[-1] for line in out.splitlines() if line}
    assert (
        rows["activitynet, equal scores worst first"],
        rows["activitynet, equal scores best first"],
    ) == ("50.00", "75.00")
    assert (rows["run"], rows["jump"]) == ("50.00", "100.00")


@pytest.mark.parametrize(
    "text", ["", "0.1:0.1", "0", "1.5", "x", "0.5,0.5", "0.1:0.2:0.6", "0.7:0.1:0.1"]
)
def test_thresholds_that_make_no_sense(score, text):
    assert_refused(score(results(), "--tious", text), f"thresholds {text!r}")


def test_ambiguous_intervals_and_blocked_videos_from_files(score, tmp_path):
    lists = tmp_path / "ambiguous.txt", tmp_path / "blocked.txt"
    lists[0].write_text("v1  21.0 30.0\nvX 0 1\n")
    lists[1].write_text("v2\nvZ\n")
    found = results(detection(), v2=[detection()], vX=[detection()])
    status, content, _ = score(
        found, "--protocol", "wtalc", "--ambiguous", lists[0], "--blocked", lists[1]
    )
    assert (
        status == 0
        and content["ambiguity_filter"] == "on, 2 intervals"
        and content["average"] == pytest.approx(100)
    )
    assert nonzero(content, "detections") == {
        "given": 5,
        "used": 2,
        "dropped_ambiguous": 1,
        "dropped_blocked_video": 1,
        "dropped_video_without_ground_truth": 1,
        "unknown_video": 1,
    }
    told = nonzero(content, "ground_truth")
    assert (
        told["dropped_blocked_video"],
        told["blocked_unknown"],
        told["ambiguous_unknown_video"],
    ) == (1, 1, 1)
    lists[1].with_suffix(".json").write_text('["v2"]')
    assert (
        score(found, "--blocked", lists[1].with_suffix(".json"))[1]["counts"]["ground_truth"][
            "dropped_blocked_video"
        ]
        == 1
    )


@pytest.mark.parametrize(
    ("option", "content", "words"),
    [
        ("--ambiguous", None, "no such file"),
        ("--ambiguous", b"\xff\xfe", "no text in UTF-8"),
        ("--ambiguous", b"v1 1", "line 1"),
        ("--ambiguous", b"v1 nan 2", "not a finite number"),
        ("--ambiguous", b"other 1 2", "not one video"),
        ("--ambiguous", b"v1 1 x", "not a pair of numbers"),
        ("--blocked", None, "no such file"),
        ("--blocked", b"v_1", "not one video"),
    ],
)
def test_lists_that_cannot_be_used(score, tmp_path, option, content, words):
    path = tmp_path / "list.txt"
    if content is not None:
        path.write_bytes(content)
    assert_refused(score(results(), option, path), str(path), words)


def test_ambiguous_intervals_are_not_given_twice(score, tmp_path):
    (tmp_path / "a.txt").write_text("v1 1 2")
    truth = {**TRUTH, "ambiguous": [["v1", "Ambiguous", 20, 30]]}
    assert_refused(
        score(results(), "--ambiguous", tmp_path / "a.txt", truth=truth),
        "has 1 ambiguous intervals already",
    )


# --- odd detections: documented numbers


@pytest.mark.parametrize(
    ("extra", "other", "average", "odd"),
    [
        (detection(score=math.inf, segment=[1, 4]), {}, 75, {"infinite_score": 1}),
        (detection(score=-math.inf), {}, 75, {"infinite_score": 1}),
        (detection(score=1e400), {}, 62.5, {"infinite_score": 1}),  # past the range of float64
        (detection(segment=[2.0, 2.0], score=1), {}, 62.5, {"zero_length": 1}),
        (
            detection(label="swim", score=1),
            {},
            75,
            {"unknown_label": 1, "dropped_class_without_ground_truth": 1},
        ),
        (GOOD[0], {}, 75, {"repeated": 1, "tied_scores": 2}),
        (detection(segment=["1", "4.0"], score="0.95"), {}, 75, {}),  # numbers as text
        (
            detection(segment=[-1, 0], score=10**30),
            {},
            62.5,
            {},
        ),  # before the video; a long integer
        (
            detection(),
            {"vX": [detection(score=1)]},
            62.5,
            {"unknown_video": 1, "outside_ground_truth": 1},
        ),
        (detection(), {"v3": [detection(score=1)], "v2": []}, 62.5, {"outside_ground_truth": 1}),
    ],
)  # video without instances
def test_odd_detections_are_counted(score, extra, other, average, odd):
    status, content, err = score(results(extra, **other))
    assert status == 0 and not err
    assert content["average"] == pytest.approx(average)
    assert {
        name: n
        for name, n in nonzero(content, "detections").items()
        if name not in ("given", "used")
    } == odd


@pytest.mark.parametrize("found", [{"results": {}}, {"results": {"v1": []}}])
@pytest.mark.parametrize("name", PROTOCOLS)
def test_no_detections_are_worth_zero(score, found, name):
    status, content, _ = score(found, "--protocol", name, "--order-range")
    assert status == 0 and content["average"] == 0 and content["counts"]["detections"]["given"] == 0
    assert content["counts"]["ground_truth"]["classes_without_detections"] == 2


# --- odd detections: refused


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b'{"results": {"v1": [{"label": "run", "seg', "not complete JSON"),
        (b"\xff\xfe{\x00", "not complete JSON"),
        (b"\xff\xfe{", "no text in UTF-8"),
        (b"\x89PNG\r\n", "no text in UTF-8"),
        (b"v1 1 2 0.5", "not complete JSON"),
        ("[" * 200_000, "nested too deeply"),
        ('{"results": ' * 100_000, "nested too deeply"),
        ('{"results": {"v1": []}} {}', "not complete JSON"),
        ("1" * 5000, "a number cannot be read"),
        ("null", "key 'results'"),
        ('{"results": []}', "key 'results'"),
        ('{"database": {}}', "key 'results'"),
        ('{"results": {"v1": [], "v1": []}}', "key 'v1' is twice"),
        ('{"results": {}, "results": {}}', "key 'results' is twice"),
        (
            '{"results": {"v1": [{"label": "run", "segment": [1, 2], "score": 1, "score": 2}]}}',
            "key 'score' is twice",
        ),
    ],
)
def test_detection_files_that_are_refused(score, tmp_path, found, words):
    assert_refused(score(found), str(tmp_path / "found.json"), words)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (detection(score=math.nan), "has the score NaN"),
        (detection(score="nan"), "has the score NaN"),
        (detection(score=None), "entry 2 of video v1"),
        (detection(score=True), "entry 2 of video v1"),
        (detection(score="1_0"), "entry 2 of video v1"),
        (detection(score=10**400), "entry 2 of video v1"),
        (detection(segment=[2, 1]), "ends before it starts"),
        (detection(segment=[0, math.inf]), "t_end that is not a finite"),
        (detection(segment=[math.nan, 1]), "t_start that is not a finite"),
        (detection(segment=[0, 1e13]), "beyond 1e+12 seconds"),
        (detection(segment="12"), "entry 2 of video v1"),
        (detection(segment={"1": 0, "2": 0}), "entry 2 of video v1"),
        (detection(segment=[1, 2, 3]), "entry 2 of video v1"),
        (detection(segment=[]), "entry 2 of video v1"),
        (detection(label=3), "entry 2 of video v1"),
        (detection(label=None), "entry 2 of video v1"),
        ({"label": "run"}, "entry 2 of video v1"),
        ([], "entry 2 of video v1"),
        ("run", "entry 2 of video v1"),
    ],
)
def test_detections_that_are_refused(score, tmp_path, entry, words):
    assert_refused(score(results(entry)), str(tmp_path / "found.json"), words)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"results": {"v_1": GOOD}}, ("not one video", "'v1'", "'v_1'")),
        ({"results": {"v1": [detection(label="Run")]}}, ("not one label", "'jump'", "'Run'")),
        ({"results": {"v1": {}}}, ("video v1 holds {}",)),
        ({"results": {"v1": ""}}, ("video v1 holds",)),
        ({"results": {"v1": None}}, ("video v1 holds None",)),
    ],
)
def test_results_that_are_refused(score, found, words):
    assert_refused(score(found), *words)


def test_files_that_are_no_files(run, tmp_path):
    (tmp_path / "folder.parquet").mkdir()
    (tmp_path / "truth.json").write_text(json.dumps(TRUTH))
    for name, words in (
        ("folder.parquet", "is a folder"),
        ("", "is a folder"),
        ("missing.json", "no such file"),
    ):
        assert_refused(run(tmp_path / "truth.json", tmp_path / name), str(tmp_path / name), words)


# --- Parquet


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda t: t.rename(columns={"t_end": "last"}),
            "has the columns video, label, t_start, last, score; expected video, label",
        ),
        (lambda t: t[[]], "has the columns ; expected"),
        (lambda t: t.assign(label=[1, 2]), "column 'label' holds 1; write names as text"),
        (lambda t: t.assign(video=[b"v1", b"v1"]), "column 'video' holds b'v1'"),
        (lambda t: t.assign(score=[True, False]), "column 'score' holds true and false"),
        (
            lambda t: t.assign(score=["high", "low"]),
            "column 'score' holds something that is not a number",
        ),
        (
            lambda t: t.assign(score=[0.5, math.nan]),
            "row 1, [7.0, 9.0] of 'jump' in video 'v1', has the score NaN",
        ),
        (lambda t: t.assign(label=["run", None]), "row 1"),
        (lambda t: t.assign(video=[None, None]), "has no video or no label"),
        (lambda t: t.assign(t_end=[4.0, math.inf]), "t_end that is not a finite"),
    ],
)
def test_parquet_files_that_are_refused(run, tmp_path, change, words):
    path = write_parquet(tmp_path, change)
    assert_refused(run(tmp_path / "truth.json", path), str(path), words)


def write_parquet(folder, change=lambda table: table):
    """The good detections as Parquet, changed, beside the ground truth."""
    (folder / "truth.json").write_text(json.dumps(TRUTH))
    table = pd.DataFrame(
        [("v1", d["label"], *d["segment"], d["score"]) for d in GOOD],
        columns=["video", "label", "t_start", "t_end", "score"],
    )
    change(table).to_parquet(folder / "found.parquet", index=False)
    return folder / "found.parquet"


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t,
        lambda t: t[t.columns[::-1]],
        lambda t: t.astype({"video": "category", "label": "category"}),
        lambda t: t.astype({"score": "float32", "t_start": int}),
        lambda t: t.astype({"t_end": str, "score": str}),
        lambda t: t.rename(columns={"t_end": "end", "video": "Video-ID"}),
        lambda t: t.assign(extra=1),
    ],
)
def test_parquet_columns_of_other_types_and_order(run, tmp_path, change):
    status, out, _ = run(tmp_path / "truth.json", write_parquet(tmp_path, change), "--json")
    assert status == 0 and json.loads(out)["average"] == pytest.approx(75)


def test_parquet_files_cut_short(run, tmp_path):
    path = write_parquet(tmp_path)
    whole = path.read_bytes()
    for part in (b"", whole[:40], whole[:-9], whole[8:]):
        path.write_bytes(part)
        assert_refused(run(tmp_path / "truth.json", path), str(path), "not a whole Parquet file")


# --- odd ground truth


@pytest.mark.parametrize(
    ("segment", "label", "average", "odd"),
    [
        (
            [1.0, 4.0],
            "run",
            {
                "activitynet": (1 / 3 + 1) / 2,
                "opentad": 0.75,
                "actionformer": 0.75,
                "wtalc": (1 / 3 + 1) / 2,
            },
            "duplicate",
        ),
        (
            [3.0, 3.0],
            "jump",
            {"activitynet": 0.5, "opentad": 0.75, "actionformer": 0.75, "wtalc": 0.5},
            "zero_length",
        ),
        (
            [8.0, 3.0],
            "jump",
            {"activitynet": 0.5, "opentad": 0.75, "actionformer": 0.75, "wtalc": 0.5},
            "reversed",
        ),
    ],
)
def test_odd_instances_are_counted_and_each_protocol_says_what_it_does(
    score, segment, label, average, odd
):
    database = json.loads(json.dumps(TRUTH["database"]))
    database["v1"]["annotations"].append({"label": label, "segment": segment})
    content = score(results(), "--protocol", "all", truth={"database": database})[1]["protocols"]
    for name, expected in average.items():
        told = content[name]["counts"]["ground_truth"]
        assert content[name]["average"] == pytest.approx(100 * expected), name
        assert told[odd] == 1 and told["instances"] == 4
        assert told["used"] == (3 if name in ("opentad", "actionformer") else 4)


def test_a_ground_truth_of_several_subsets_needs_one_named(score):
    truth = {
        "database": {
            **TRUTH["database"],
            "t1": {"subset": "train", "annotations": [{"label": "run", "segment": [1, 2]}]},
        }
    }
    found = results(t1=[detection()])
    assert_refused(
        score(found, truth=truth),
        "holds the subsets test, train; name one (--subset test), or 'all'",
    )
    assert_refused(
        score(found, "--subset", "val", truth=truth),
        "no video of subset 'val'; the file has test, train",
    )
    status, content, _ = score(found, "--subset", "test", truth=truth)
    assert status == 0 and content["counts"]["ground_truth"]["instances"] == 3
    assert nonzero(content, "detections")["other_subset"] == 1
    assert "unknown_video" not in nonzero(content, "detections")
    assert content["examples"] == {"other_subset": ["t1"]}
    assert (
        score(found, "--subset", "all", truth=truth)[1]["counts"]["ground_truth"]["instances"] == 4
    )


@pytest.mark.parametrize(
    ("truth", "words"),
    [
        ("", "is empty"),
        ('{"database": {}}', "no instance is left to score"),
        (json.dumps(TRUTH)[:-9], "not complete JSON"),
        ('{"database": {"v1": {"annotations": []}}}', "no instance is left to score"),
        (
            '{"database": {"v1": {"annotations": []}, "v1": {"annotations": []}}}',
            "key 'v1' is twice",
        ),
        (
            '{"database": {"v1": {"annotations": [{"label": "run", "segment": [0, NaN]}]}}}',
            "t_end that is not a finite",
        ),
        (
            '{"database": {"v1": {"annotations": [{"label": "run", "segment": [0, 1e13]}]}}}',
            "beyond 1e+12 seconds",
        ),
        (
            '{"database": {"v1": {"annotations": [{"label": 1, "segment": [0, 1]}]}}}',
            "entry 0 of video v1",
        ),
        ({**TRUTH, "classes": ["run"]}, "of a label that the list of labels does not name"),
        ({**TRUTH, "classes": "run"}, "'classes' is 'run', expected a list of names"),
        ({**TRUTH, "blocked": "v1"}, "'blocked' is 'v1'"),
        ({**TRUTH, "classes": ["run", "jump", "run"]}, "'run' is twice in the list of classes"),
        (
            {**TRUTH, "timebase": {"fps": 25, "stride": 0}},
            "the timebase needs fps and stride above 0",
        ),
    ],
)
def test_ground_truth_that_is_refused(score, truth, words):
    assert_refused(score(results(), "--protocol", "wtalc", truth=truth), words)
