"""What a method does and does not do on one data set, in words, from the verdicts of its tables."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from wtal_core.report.findings import Judged, all_judged
from wtal_core.report.messages import VERDICTS, told
from wtal_core.runs.results import Results

COUNTED = {  # verdict -> one comparison, several
    "holds": ("holds", "hold"),
    "reversed": ("is reversed", "are reversed"),
    "no difference": ("shows no difference", "show no difference"),
    "cannot tell": ("cannot be told", "cannot be told"),
    "not trained": ("is of rows that are not trained", "are of rows that are not trained"),
}
NOTHING = (
    "No table in the results folder judges a message of this paper on this data set yet. "
    "`wtal reproduce` makes them."
)


SIGN = "In brackets stands a difference here, above 0 where a message holds, and the paper's own."
# names of `references` -> the same within a sentence
WITHOUT = {"no training (mean pooling)": "the row without training, mean pooling"}


def in_words(results: Path, paper: str, dataset: str) -> str:
    """Markdown: how many of the paper's comparisons have each verdict on the data set, then its
    messages, by what became of them, each with the differences here, those of the paper, and
    where they stand.

    results: the folder with the tables; read each time, so that the words are as new as they are.
    """
    judged = [one for one in all_judged(results) if (one.paper, one.dataset) == (paper, dataset)]
    of_paper = [one for one in judged if one.is_papers]
    if not of_paper:
        return NOTHING
    by_claim: dict[str, list[Judged]] = {}
    for one in of_paper:
        by_claim.setdefault(one.claim, []).append(one)
    groups: dict[str, list[str]] = {
        "It does here": [],
        "It does in some comparisons, and the opposite in others": [],
        "It does the opposite here": [],
        "It makes no difference here": [],
    }
    open_ones = []
    for claim, ones in by_claim.items():
        group = _group(ones)
        if group is None:
            open_ones.append(f"“{told(claim, printed=False)}” ({_places(ones)})")
        else:
            groups[group].append(f"* {_sentence(claim, ones)}.")
    parts = [
        f"The tables judge {len(of_paper)} comparisons of the paper: {_counted(of_paper)}. {SIGN}"
    ]
    parts += [f"**{name}.**\n\n" + "\n".join(lines) for name, lines in groups.items() if lines]
    if open_ones:
        parts.append(f"**These runs do not say whether** {', '.join(open_ones)}.")
    return "\n\n".join(parts)


def beside(row: str, results: Results, references: Mapping[str, float]) -> str:
    """One sentence: a row's metric, mean over seeds, and how it lies to what it is read against.

    references: name -> a number in percent, see `Session.references`.
    """
    value = float(results.values().loc[row].mean())
    others = [
        f"{'above' if value > other else 'below'} {WITHOUT.get(name, name)} ({other:.1f})"
        for name, other in references.items()
    ]
    return f"{row} reaches {value:.1f} % {results.metric} here, {' and '.join(others)}."


def _group(ones: Sequence[Judged]) -> str | None:
    """Under which heading a message stands; None where its comparisons are open."""
    verdicts = {one.verdict for one in ones}
    if {"holds", "reversed"} <= verdicts:
        return "It does in some comparisons, and the opposite in others"
    if "holds" in verdicts:
        return "It does here"
    if "reversed" in verdicts:
        return "It does the opposite here"
    if verdicts == {"no difference"}:
        return "It makes no difference here"
    return None


def _sentence(claim: str, ones: Sequence[Judged]) -> str:
    if len(ones) == 1:
        outcome = f"{ones[0].verdict}{_points(ones)}"
    else:
        outcome = f"of {len(ones)} comparisons {_counted(ones, points=True)}"
    words = told(claim, any(one.printed is not None for one in ones))
    return f"“{words}”: {outcome} ({_places(ones)})"


def _counted(ones: Sequence[Judged], points: bool = False) -> str:
    """ "3 hold, 1 cannot be told"; with the range of their differences where wanted."""
    parts = []
    for verdict in VERDICTS:
        chosen = [one for one in ones if one.verdict == verdict]
        if chosen:
            words = COUNTED[verdict][len(chosen) > 1]
            parts.append(f"{len(chosen)} {words}{_points(chosen) if points else ''}")
    return ", ".join(parts)


def _points(ones: Sequence[Judged]) -> str:
    """ " (here +1.5 to +2.0 points, the paper +0.4)", lowest to highest; nothing without any."""
    here = _range([one.here for one in ones])
    printed = _range([one.printed for one in ones])
    parts = [f"here {here} points"] if here else []
    parts += [f"the paper {printed}"] if here and printed else []
    return f" ({', '.join(parts)})" if parts else ""


def _range(differences: Sequence[float | None]) -> str:
    """ "+1.5 to +2.0", "+1.5" where all are alike; nothing where there are none."""
    values = sorted(value for value in differences if value is not None)
    ends = dict.fromkeys(f"{value:+.1f}" for value in (values[:1] + values[-1:]))
    return " to ".join(ends)


def _places(ones: Sequence[Judged]) -> str:
    return ", ".join(dict.fromkeys(_place(one.artifact) for one in ones))


def _place(artifact: str) -> str:
    """ "Table 3" of "table3", the name of any other page."""
    numbered = re.fullmatch(r"(table|figure)(\d+)", artifact)
    return f"{numbered[1].title()} {numbered[2]}" if numbered else f"`{artifact}.ipynb`"
