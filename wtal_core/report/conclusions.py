"""What a table or figure says, and what would change it, in words made from its verdicts.

The words are made from the artifact's saved tables whenever its notebook runs, so that they cannot
say anything else than the tables do.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from wtal_core.report.artifacts import read_tables
from wtal_core.report.messages import (
    FEWEST_SEEDS,
    FEWEST_TRAINED,
    OURS,
    VERDICTS,
    is_apart,
    is_papers,
    told,
)
from wtal_core.report.shown_table import GLYPHS

SAID = {  # one comparison, several comparisons
    "holds": ("holds", "hold"),
    "reversed": ("is reversed", "are reversed"),
    "no difference": ("shows no difference", "show no difference"),
    "cannot tell": ("cannot be told", "cannot be told"),
    "not trained": ("is not trained", "are not trained"),
}
INTERVAL = re.compile(r"([-+]?[\d.]+) to ([-+]?[\d.]+)")
MOST_SEEDS = 100  # beyond which nobody waits for a verdict
NAMED = 3  # comparisons that are named in one sentence


@dataclass(frozen=True)
class Words:
    """Markdown, as a notebook shows it."""

    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return self.text


def conclusion(file: Path, data: str, judged_by: str = "") -> Words:
    """What an artifact's verdicts say together.

    file: the artifact's CSV file, of which all tables that judge messages are read. data: the data
    set's title. judged_by: an artifact of the same paper, such as "table3", that judges what a
    figure only shows; it is read where the figure's own file judges nothing.
    """
    lines = _judged(file)
    opening = ""
    if not lines and judged_by:
        name = _title(judged_by)
        lines = _judged(file.with_name(f"{judged_by}.csv"))
        opening = (
            f"A picture of one video or one seed is an illustration: it judges nothing. {name} "
            "judges what it is to show, over all test videos and seeds.\n\n"
        )
        if not lines:
            paper = file.parent.name
            return Words(
                f"{opening}{name} has not been computed on {data}: "
                f"`wtal reproduce {paper}/{judged_by}` does."
            )
    if not lines:
        return Words("Nothing is judged here.")
    papers = [line for line in lines if is_papers(line["claim"])]
    ours = [line for line in lines if not is_papers(line["claim"])]
    parts = []
    if papers:
        parts.append(f"**Of the paper's comparisons, on {data}:** {_counted(papers)}.")
        parts.append(_by_claim(papers))
    if ours:
        parts.append(f"**Asked by the workbook, not by the paper:** {_counted(ours)}.")
        parts.append(_by_claim(ours))
    parts.append("**What would change it.** " + " ".join(_changes(papers + ours)))
    return Words(opening + "\n\n".join(parts))


def of_checks(checks: Mapping[str, bool], change: str) -> Words:
    """What a page says whose sentences are right or wrong by what it has computed.

    checks: sentence -> whether the page's own numbers bear it out. change: what would change it.
    """
    right = sum(checks.values())
    lines = [f"* {'✓' if holds else '✗ not so:'} {sentence}" for sentence, holds in checks.items()]
    counted = f"**{right} of {len(checks)} sentences follow from the numbers above:**"
    return Words("\n\n".join([counted, "\n".join(lines), f"**What would change it.** {change}"]))


def answered(answers: Mapping[int, str]) -> Words:
    """What a notebook computes of its exercises, folded like their solutions.

    answers: number of an exercise -> its answer in numbers, as words.
    """
    lines = [f"* **{number}.** {answer}" for number, answer in answers.items()]
    return Words(
        "<details><summary>The answers, computed</summary>\n\n"
        + "\n".join(lines)
        + "\n\n</details>"
    )


def points(values: Mapping[str, float] | pd.Series) -> str:
    """ "A 1.2, B -0.3": numbers by name, with one decimal; semicolons where a name has a comma."""
    named = [(str(name), value) for name, value in values.items()]
    separator = "; " if any("," in name for name, _ in named) else ", "
    return separator.join(f"{name} {value:.1f}" for name, value in named)


def _judged(file: Path) -> list[dict[str, str]]:
    """The comparisons of all tables of a file that judge messages, each once."""
    if not file.exists():
        return []
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for table in read_tables(file).values():
        frame = table.as_frame().reset_index()
        if {"claim", "verdict", "comparison"} <= set(frame):
            for line in frame.astype(str).to_dict("records"):
                lines.setdefault((line["claim"], line["comparison"]), line)
    return [line for line in lines.values() if line["verdict"] in VERDICTS]


def _title(artifact: str) -> str:
    """ "Table 3" of "table3"."""
    word, number = re.fullmatch(r"([a-z]+)(\d+)", artifact).groups()  # type: ignore[union-attr]
    return f"{word.capitalize()} {number}"


def _counted(lines: Sequence[Mapping[str, str]]) -> str:
    """ "✓ 4 hold, ✗ 1 is reversed"."""
    counts = Counter(line["verdict"] for line in lines)
    told = [
        f"{GLYPHS[verdict]} {counts[verdict]} {SAID[verdict][int(counts[verdict] > 1)]}"
        for verdict in VERDICTS
        if verdict in counts
    ]
    return ", ".join(told)


def _by_claim(lines: Sequence[Mapping[str, str]]) -> str:
    """One line of a list per claim."""
    claims = list(dict.fromkeys(line["claim"] for line in lines))
    items = []
    for claim in claims:
        of_claim = [line for line in lines if line["claim"] == claim]
        alone = len(of_claim) == 1 and of_claim[0].get("paper", "–") != "–"
        words = told(claim.removeprefix(OURS).lstrip(": "), alone)
        if len(of_claim) > 1:
            items.append(f"* **{words}**: of {len(of_claim)}, {_counted(of_claim)}.")
        else:
            (line,) = of_claim
            verdict = f"{GLYPHS[line['verdict']]} {SAID[line['verdict']][0]}"
            items.append(f"* **{words}**: {verdict}{_size(line)}.")
    return "\n".join(items)


def _size(line: Mapping[str, str]) -> str:
    here, bounds = line.get("here", "–"), line.get("95 % interval", "–")
    if here == "–":
        return ""
    interval = f" ({bounds})" if bounds != "–" else ""
    printed = line.get("paper", "–")
    return f", here {here} points{interval}" + (f", the paper {printed}" if printed != "–" else "")


def _changes(lines: Sequence[Mapping[str, str]]) -> list[str]:
    """Sentences: what each kind of verdict would need to become another one."""
    of = {verdict: [line for line in lines if line["verdict"] == verdict] for verdict in VERDICTS}
    sentences = []
    apart = [line for line in of["cannot tell"] if is_apart(line)]
    undecided = [line for line in of["cannot tell"] if not is_apart(line)]
    if undecided:
        sentences.append(_more_seeds(undecided))
    if apart:
        sentences.append(
            f"One machine for all: {len(apart)} of what cannot be told would compare two trainings "
            "of what should be one network, and has no number."
        )
    if of["not trained"]:
        rows = {row for line in of["not trained"] for row in line["comparison"].split(" > ")}
        sentences.append(
            f"A longer training: of the {len(rows)} rows of untrained comparisons, some have fewer "
            f"than {FEWEST_TRAINED} seeds that met their own objective."
        )
    if of["reversed"] or of["no difference"]:
        sentences.append(
            "Other data or another schedule: what is reversed or shows no difference is so on this "
            "data set and in this profile. It does not refute the paper, whose numbers are of "
            "its own data."
        )
    if of["holds"]:
        sentences.append("What holds may fall on other data.")
    sentences.append("[Does it hold?](../../docs/findings.md) sets all data sets side by side.")
    return sentences


def _more_seeds(lines: Sequence[Mapping[str, str]]) -> str:
    """How many seeds would do, if the mean difference stayed."""
    needed = {line["comparison"]: _seeds_needed(line) for line in lines}
    known = {name: seeds for name, seeds in needed.items() if seeds is not None}
    if not known:
        return f"More seeds: at least {FEWEST_SEEDS} are needed for a verdict."
    nearest = sorted(known.items(), key=lambda item: item[1])[:NAMED]
    told = [
        f"*{name}* about {seeds}" if seeds <= MOST_SEEDS else f"*{name}* more than {MOST_SEEDS}"
        for name, seeds in nearest
    ]
    return f"More seeds: if the mean differences stayed, {'; '.join(told)} would decide."


def _seeds_needed(line: Mapping[str, str]) -> int | None:
    """Seeds for which half an interval is as long as the difference; None where it is unknown.

    The half-length falls with the root of the number of seeds.
    """
    bounds = INTERVAL.fullmatch(line.get("95 % interval", ""))
    seeds = re.match(r"(\d+)(?: and (\d+))? of \d+", line.get("trained", ""))
    if bounds is None or seeds is None:
        return None
    low, high = float(bounds[1]), float(bounds[2])
    mean = abs(low + high) / 2
    if mean == 0:
        return MOST_SEEDS + 1
    paired = min(int(number) for number in seeds.groups() if number)
    share = (high - low) / 2 / mean
    return min(max(math.ceil(paired * share**2), paired + 1), MOST_SEEDS + 1)
