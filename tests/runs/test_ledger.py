"""The ledger: whole lines, written once; damage is named; nothing is lost between processes."""

import json
import signal
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest

from tests.places import ROOT
from tests.runs.torn import append_and_die
from tests.tiny_dataset import CONFIG
from wtal_core.errors import WorkbookError
from wtal_core.models import facnet, gaufuse, method, method_names, rskp
from wtal_core.runs import check, ledger, recompute
from wtal_core.runs.export import export
from wtal_core.runs.ledger import CHANGED, UNKNOWN, Ledger, read, runs_file
from wtal_core.runs.recompute import run_of
from wtal_core.runs.run import Run, configured, differences

HISTORY = {"total": [2.0, 1.0], "average_map": [None, 0.5]}


def line_of(seed: int = 0, behaviour: str = "facnet-1", average: float = 0.5) -> dict:
    run = Run("facnet", CONFIG, "simulated", seed)
    score = {"tious": [0.5], "map": [average], "average": average}
    return {
        "id": run.identity("data 1"),
        **run.asked("data 1"),
        "fold": None,
        "metrics": {rule: {"wtalc": score} for rule in ledger.RULES},
        "best_epoch": 1,
        "losses": {"total": 1.0},
        "seconds": 3.0,
        "by": {"commit": "abc", "dirty": False, "behaviour": behaviour, "environment": {}},
    }


def write_lines(root, *lines):
    for line in lines:
        Ledger(root).append(line, HISTORY)
    return runs_file(root, "simulated", "facnet")


@pytest.mark.parametrize("name", method_names())
def test_differences_give_the_config_back(name):
    for config in method(name).profiles.values():
        values = json.loads(json.dumps(differences(config)))
        assert configured(method(name).Config, values) == config


def test_only_differences_from_the_defaults_are_asked_for():
    assert differences(facnet.Config()) == {}
    assert differences(facnet.Config(delta=5.0)) == {}
    changed = replace(facnet.Config(), schedule=replace(facnet.Config().schedule, epochs=7))
    assert differences(changed) == {"schedule.epochs": 7}


def test_a_host_is_named_and_its_differences_are_its_own():
    config = gaufuse.wrap("facnet", replace(facnet.OFFICIAL, delta=4.0))
    values = differences(config)
    assert values["base"] == "facnet" and values["base.delta"] == 4.0
    assert "base.taus" not in values
    around_rskp = differences(gaufuse.wrap("rskp", rskp.OFFICIAL))
    assert around_rskp["base"] == "rskp"
    assert not any(name.startswith("base.") for name in around_rskp)


def test_every_committed_line_is_what_its_identity_says():
    """A default that changes, or a field renamed, would make other requests of old lines."""
    count = 0
    for path in ledger.files(ROOT / "results"):
        for record in Ledger(ROOT / "results").records(path.parts[-3], path.stem):
            scale = record.line.get("class_scale", 1.0)
            identity = run_of(record).identity(record.line["data"], scale)
            assert identity == record.line["id"], record.key
            count += 1
    assert count > 1000


def test_a_field_that_no_config_has_is_named():
    with pytest.raises(WorkbookError, match=r"facnet\.Config has no field 'speed'"):
        configured(facnet.Config, {"speed": 1})


def test_a_run_is_found_with_its_history(tmp_path):
    line = line_of()
    write_lines(tmp_path, line, line_of(1))
    record = Ledger(tmp_path).find("simulated", "facnet", line["id"])
    assert record.line == ledger.sealed(line)
    assert record.history == [{"total": 2.0}, {"total": 1.0, "average_map": 0.5}]
    assert Ledger(tmp_path).find("simulated", "facnet", "0" * 16) is None
    assert Ledger(tmp_path).find("hapt", "facnet", line["id"]) is None


def test_the_newest_behaviour_of_a_run_is_found_and_the_older_line_stays(tmp_path):
    lines = [line_of(behaviour=b) for b in ("facnet-10", "facnet-9", UNKNOWN)]
    path = write_lines(tmp_path, *lines)
    found = Ledger(tmp_path).find("simulated", "facnet", lines[0]["id"])
    assert found.behaviour == "facnet-10"
    assert len(read(path)) == 3


def test_a_line_that_is_there_stays_and_other_numbers_are_refused(tmp_path):
    path = write_lines(tmp_path, line_of())
    before = path.read_bytes()
    later = line_of() | {"by": {**line_of()["by"], "commit": "later"}, "seconds": 9.0}
    write_lines(tmp_path, later)
    assert path.read_bytes() == before
    with pytest.raises(WorkbookError, match=r"is there with other numbers; `wtal results recomp"):
        write_lines(tmp_path, line_of(average=0.6))
    assert path.read_bytes() == before


def test_a_line_of_changed_code_is_replaced(tmp_path):
    write_lines(tmp_path, line_of(behaviour=CHANGED))
    path = write_lines(tmp_path, line_of(behaviour=CHANGED, average=0.6))
    (line,) = read(path).values()
    assert line["metrics"]["last"]["wtalc"]["average"] == 0.6


def cut(text):
    return text[:-40]


def without_identity(text):
    content = json.loads(text.splitlines()[0])
    del content["id"]
    return json.dumps(content) + "\n"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, r"facnet\.jsonl, line 2 is damaged or cut off; restore it by `git checkout`"),
        (lambda text: "nonsense\n" + text, r"line 1 is damaged"),
        (lambda text: "[1]\n" + text, r"line 1 is no line of a ledger"),
        (without_identity, r"line 1 is no line of a ledger"),
        (lambda text: text.replace('"dirty": false', '"dirty": true', 1), r"line 1 was changed"),
        (lambda text: text.replace('"commit": "abc"', '"commit": "abd"'), r"line 1 was changed"),
        (lambda text: text.replace('"average": 0.5', '"average": 0.9', 1), r"line 1 was changed"),
        (lambda text: text + text, r"line 3: run \w+\.facnet-1 is there twice"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(tmp_path, damage, message):
    path = write_lines(tmp_path, line_of(), line_of(1))
    text = path.read_text()
    damaged = damage(text)
    assert damaged != text
    path.write_text(damaged)
    for use in (lambda: read(path), lambda: check.census(tmp_path)):
        with pytest.raises(WorkbookError, match=message):
            use()
    assert path.read_text() == damaged


def resealed(change):
    """A whole line, with its seal, of other content."""

    def damage(line):
        change(line)
        return json.dumps(ledger.sealed(line)) + "\n"

    return damage


def scores(line):
    return line["metrics"]["last"]["wtalc"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: scores(line).update(tious=[None]), r"last, wtalc: tIoU is None, expected"),
        (lambda line: scores(line).update(tious=[0.0]), r"tIoU is 0\.0, expected one in \(0, 1\]"),
        (lambda line: scores(line).update(tious=["inf"]), r"tIoU is 'inf'"),
        (lambda line: line["by"].pop("environment"), r"by lacks 'environment'"),
        (lambda line: line.update(seconds=10**25), r"seconds is 1\d+, expected seconds"),
        (lambda line: line.update(seconds=-1), r"seconds is -1"),
        (lambda line: line.update(best_epoch="x"), r"best_epoch is 'x'"),
        (lambda line: line.update(seed=2**63), r"seed is \d+, expected a whole"),
    ],
)
def test_a_sealed_line_that_no_table_could_show_is_refused_by_every_command(
    tmp_path, change, message
):
    path = write_lines(tmp_path, line_of())
    path.write_text(resealed(change)(json.loads(path.read_text())))
    uses = (
        lambda: read(path),
        lambda: check.census(tmp_path),
        lambda: export(tmp_path, tmp_path / "runs.parquet"),
        lambda: recompute.sample(Ledger(tmp_path), None),
    )
    for use in uses:
        with pytest.raises(WorkbookError, match=message):
            use()


def test_a_run_without_history_is_named(tmp_path):
    path = write_lines(tmp_path, line_of())
    runs_file(tmp_path, "simulated", "facnet", "history").unlink()
    with pytest.raises(WorkbookError, match=r"run \w+\.facnet-1 has no history"):
        check.census(tmp_path)
    record = Ledger(tmp_path).find("simulated", "facnet", line_of()["id"])
    with pytest.raises(WorkbookError, match=r"history\.jsonl has no line of run"):
        record.history.clear()
    assert path.exists()


def append_some(root, numbers):
    for seed in numbers:
        Ledger(root).append(line_of(seed), HISTORY)


def test_processes_that_finish_at_once_lose_nothing(tmp_path):
    parts = [range(first, 40, 4) for first in range(4)]
    with ProcessPoolExecutor(4, get_context("spawn")) as pool:
        for job in [pool.submit(append_some, tmp_path, part) for part in parts]:
            job.result()
    lines = read(runs_file(tmp_path, "simulated", "facnet"))
    assert sorted(line["seed"] for line in lines.values()) == list(range(40))
    assert set(read(runs_file(tmp_path, "simulated", "facnet", "history"))) == set(lines)


def contents(root):
    """All ledger files with what they hold, and the marks of unfinished writing."""
    paths = [*root.glob("*/runs/*"), *root.glob(".work/locks/*.unfinished")]
    return {path.relative_to(root): path.read_bytes() for path in paths}


@pytest.mark.parametrize("behaviour", ["facnet-1", CHANGED])
@pytest.mark.parametrize("step", ["replace", "fsync"])
def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch, behaviour, step):
    """A line is added at the end, or, where it takes the place of another, the file replaced."""
    if (behaviour, step) == ("facnet-1", "replace"):
        pytest.skip("a line that is added replaces nothing")
    path = write_lines(tmp_path, line_of(behaviour=behaviour))
    before = contents(tmp_path)
    line = line_of(0 if behaviour == CHANGED else 1, behaviour, 0.6)

    def refuse(*given):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ledger.os, step, refuse)
        with pytest.raises(WorkbookError, match=r"No space left .* is unchanged"):
            write_lines(tmp_path, line)
    assert contents(tmp_path) == before
    write_lines(tmp_path, line)
    assert read(path)[ledger.key_of_line(line)] == ledger.sealed(line)


def test_ctrl_c_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    write_lines(tmp_path, line_of())
    before = contents(tmp_path)

    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(ledger.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_lines(tmp_path, line_of(1))
    assert contents(tmp_path) == before


@pytest.mark.parametrize(("kind", "lost"), [("", 0), ("", 30), ("history", 1)])
def test_what_a_killed_process_left_half_written_is_passed_over_and_then_cut_off(
    tmp_path, kind, lost
):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for root in (whole, killed):
        Ledger(root).append(line_of(), {})
    Ledger(whole).append(line_of(1), {})
    path = runs_file(killed, "simulated", "facnet", kind)
    text = runs_file(whole, "simulated", "facnet", kind).read_bytes()
    left = len(text) - lost
    given = (killed, line_of(1), path, left)
    process = get_context("spawn").Process(target=append_and_die, args=given)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL and path.read_bytes() == text[:left]
    assert len(read(path)) == (2 if lost == 0 else 1)
    for root in (whole, killed):
        Ledger(root).append_all([(line_of(seed), {}) for seed in (1, 2)])
    assert contents(killed) == contents(whole)


def test_a_line_more_does_not_cost_reading_all_others_again(tmp_path, monkeypatch):
    path = write_lines(tmp_path, line_of())
    before = read(path)
    monkeypatch.setattr(ledger, "_read", None)
    append_some(tmp_path, range(1, 4))
    assert len(read(path)) == 4 and len(before) == 1
    assert Ledger(tmp_path).find("simulated", "facnet", line_of(3)["id"]).seed == 3


def test_runs_that_come_together_leave_what_they_leave_one_by_one(tmp_path):
    lines = [line_of(seed) for seed in range(4)]
    write_lines(tmp_path / "single", *lines)
    together = Ledger(tmp_path / "together")
    together.append_all([(line, HISTORY) for line in lines[:2]])
    records = together.append_all([(line, HISTORY) for line in [*lines, lines[0]]])
    assert [record.seed for record in records] == [0, 1, 2, 3, 0]
    assert contents(tmp_path / "together") == contents(tmp_path / "single")


def test_a_last_line_without_an_end_is_still_a_line(tmp_path):
    """As an editor may leave it."""
    path = write_lines(tmp_path, line_of())
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))
    write_lines(tmp_path, line_of(1))
    assert len(read(path)) == len(path.read_text().splitlines()) == 2


def test_arrays_and_facts_are_kept_beside_a_run(tmp_path):
    write_lines(tmp_path, line_of())
    record = Ledger(tmp_path).find("simulated", "facnet", line_of()["id"])
    assert record.arrays("signals") is None and record.facts() is None
    assert record.weights() is None and record.detections() is None
    values = np.arange(12.0).reshape(3, 4).T
    record.keep_arrays("signals", {"s_a": values})
    record.keep_arrays("signals_2", {"s_a": values + 1})
    np.testing.assert_array_equal(record.arrays("signals")["s_a"], values)
    np.testing.assert_array_equal(record.arrays("signals_2")["s_a"], values + 1)
    facts = {"top": [0.25], "levels": [[float("nan"), float("inf")], [-float("inf"), 1.0]]}
    record.keep_facts(facts)
    again = record.facts()
    assert set(again) == {"top", "levels"}
    for name, value in facts.items():
        np.testing.assert_array_equal(np.array(again[name], dtype=float), np.array(value))


def test_a_second_results_folder_is_read_and_never_written(tmp_path):
    write_lines(tmp_path / "committed", line_of())
    before = sorted((p, p.stat().st_mtime_ns) for p in (tmp_path / "committed").glob("**/*"))
    both = Ledger(tmp_path / "own", also=tmp_path / "committed")
    record = both.find("simulated", "facnet", line_of()["id"])
    record.keep_arrays("signals", {"s_a": np.zeros(2)})
    record.keep_facts({"top": [0.5]})
    both.append(line_of(1), HISTORY)
    assert len(record.history) == 2 and record.facts() == {"top": [0.5]}
    assert [r.seed for r in both.records("simulated", "facnet")] == [1, 0]
    assert (
        sorted((p, p.stat().st_mtime_ns) for p in (tmp_path / "committed").glob("**/*")) == before
    )


def test_the_census_counts_runs_by_behaviour(tmp_path, monkeypatch):
    monkeypatch.setattr(check.behaviour, "name_of", lambda name: f"{name}-2")
    lines = [line_of(0, "facnet-2"), line_of(1, "facnet-1"), line_of(2, UNKNOWN)]
    write_lines(tmp_path, *lines)
    (row,) = check.census(tmp_path)
    assert row == {
        "dataset": "simulated",
        "method": "facnet",
        "runs": 3,
        "of today": 1,
        "before the ledger": 1,
        "stale": 1,
    }
    with pytest.raises(WorkbookError, match="no results folder"):
        check.census(tmp_path / "nowhere")
