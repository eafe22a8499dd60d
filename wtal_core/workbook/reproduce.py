"""Regenerate artifacts: notebook after notebook, going on after a failure, with an index at the
end.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wtal_core.data.dataset import Dataset
from wtal_core.errors import WorkbookError
from wtal_core.reading.places import resolved
from wtal_core.report.coverage import of_networks
from wtal_core.runs.cluster import Place
from wtal_core.runs.ledger import Ledger
from wtal_core.study.own_parameters import EXCHANGEABLE, own_parameters
from wtal_core.study.session import open_session
from wtal_core.workbook.artifacts import Notebook, find_notebooks
from wtal_core.workbook.execution import check_parameters, execute
from wtal_core.workbook.graph import when_ready
from wtal_core.workbook.results_index import write_index


def reproduce(
    wanted: Sequence[str],
    results: Path,
    parameters: dict[str, Any],
    say: Any = print,
    place: Place | None = None,
) -> int:
    """Execute the notebooks of these artifacts into `<results>/<dataset>/<paper>/`. Returns how
    many failed.

    parameters: `dataset, profile, seeds, device, jobs`. They are checked against every notebook,
    and each data set is opened once, before the first one starts. dataset: "" is each notebook's
    own. A notebook that is about a data set of its own, such as a teaching world, stays there.
    place: where runs are computed; with several workers all runs of all notebooks are one graph.
    """
    place = place or Place(jobs=parameters.get("jobs", 1))
    notebooks = find_notebooks(tuple(wanted))
    given = {**parameters, "store": str(resolved(results))}
    asked = [at_home(notebook, given) for notebook in notebooks]
    for notebook in notebooks:
        check_parameters(notebook.path, given)
    for dataset in sorted({values["dataset"] for values in asked}):
        _check_scorable(open_session(artifact="", **{**given, "dataset": dataset}).dataset)
    Ledger(results).check_writable()  # now, not after hours of computing
    jobs = list(zip(notebooks, asked, strict=True))
    failures = []
    with when_ready(jobs, Ledger(results), place) as ready:
        for number, (notebook, values) in enumerate(ready, 1):
            if not _one(notebook, results, values, f"[{number}/{len(notebooks)}]", say):
                failures.append(notebook)
    finished = [notebook.artifact for notebook in notebooks if notebook not in failures]
    say(f"{len(finished)} of {len(notebooks)} artifacts finished. {_shown(finished, results)}")
    for notebook in failures:
        say(f"failed: {notebook.artifact}")
    return len(failures)


def _shown(finished: Sequence[str], results: Path) -> str:
    """Writes the page of the results folder, and says which artifacts need no network. A table of
    an earlier command that cannot be read does not make this one fail.
    """
    try:
        index = write_index(results)
        told = of_networks(results)
    except WorkbookError as error:
        return f"The page that shows all was not written: {error}"
    apart = [artifact for artifact in finished if not told.get(artifact, True)]
    without = f"Without a network: {', '.join(apart)}. " if apart else ""
    return f"{without}Look at {index}"


def _check_scorable(dataset: Dataset) -> None:
    """Refuse data without a segment of a test video: every table would be empty."""
    if dataset.segments_of("test").empty:
        raise WorkbookError(
            f"{dataset.name} has no segments of test videos, so no table can be made; "
            f"`wtal train METHOD --data {dataset.name}` and `wtal detect` need none"
        )


def at_home(notebook: Notebook, given: dict[str, Any]) -> dict[str, Any]:
    """The parameters, with the notebook's own data set where none is asked for, or where it was
    made for that one alone.
    """
    dataset = own_parameters(notebook.artifact)["dataset"]
    if given["dataset"] and dataset in EXCHANGEABLE:
        return given
    return {**given, "dataset": dataset}


def _one(notebook: Notebook, results: Path, given: dict[str, Any], place: str, say: Any) -> bool:
    begin, name = time.monotonic(), notebook.artifact.split("/")
    output = results / given["dataset"] / name[0] / f"{notebook.path.stem}.ipynb"
    say(f"{place} {notebook.artifact}: {notebook.title}")
    try:
        execute(notebook.path, output, given)
    except WorkbookError as error:
        say(f"{place} {notebook.artifact} FAILED: {error} (after {time.monotonic() - begin:.0f} s)")
        return False
    say(
        f"{place} {notebook.artifact} done in {time.monotonic() - begin:.0f} s: "
        f"{output.with_name(name[1])}.*"
    )
    return True
