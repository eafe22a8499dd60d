"""Saved figures: words for those who cannot see them, small files, the same bytes every time."""

import io
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from PIL import Image

from wtal_core.pictures import figures, forest, saved
from wtal_core.pictures.saved import LARGEST_SVG, words_of, write_picture
from wtal_core.report.findings import judged_of
from wtal_core.timebase import Timebase

TABLE = pd.DataFrame({0: [1.0, 2.0], 1: [2.0, 3.0]}, index=[0.1, 0.2])
LONG = "CW+CA+MIL, hybrid, background, with a name that is much longer than one line of a figure"


def drawn():
    return figures.lines({"BackTAL": TABLE, "SF-Net": TABLE + 1}, "weight (no unit)", "A caption")


def test_a_picture_says_what_it_shows():
    picture = saved.picture(drawn())
    assert picture.alt.startswith("A caption")
    for word in ("weight (no unit)", "average mAP (%)", "BackTAL; SF-Net"):
        assert word in picture.alt
    data, metadata = picture._repr_png_()
    assert metadata["alt"] == picture.alt and data == picture.png
    assert repr(picture) == f"[figure: {picture.alt}]"


def test_titles_at_the_side_are_words_too():
    figure, (above, below) = plt.subplots(2)
    above.set_title("a curve", loc="left")
    below.set_title("threshold 0.5", loc="right")
    below.set_xlabel("time (s)")
    assert words_of(figure) == "a curve. threshold 0.5, time (s)"


def test_words_are_few_and_end_with_a_sentence():
    figure, axes = plt.subplots()
    axes.set_title("x" * 300)
    axes.set_ylabel("y" * 400)
    figure.suptitle("One sentence")
    assert words_of(figure) == "One sentence"


def test_png_has_few_colours_and_svg_lies_beside_it_the_same_every_time(tmp_path):
    for name in ("a", "b"):
        write_picture(drawn(), tmp_path / f"{name}.png")
    for ending in ("png", "svg"):
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()
    with Image.open(io.BytesIO((tmp_path / "a.png").read_bytes())) as image:
        assert image.mode == "P"
    svg = ElementTree.parse(tmp_path / "a.svg")
    texts = {"".join(node.itertext()) for node in svg.iter("{http://www.w3.org/2000/svg}text")}
    assert "A caption" in " ".join(texts)
    assert "<dc:date>" not in (tmp_path / "a.svg").read_text()


def test_a_large_svg_is_not_kept(tmp_path):
    path = tmp_path / "a.png"
    write_picture(drawn(), path)
    assert path.with_suffix(".svg").stat().st_size <= LARGEST_SVG
    figure, axes = plt.subplots()
    axes.plot(np.random.default_rng(0).random(20_000), ".")
    write_picture(figure, path)
    assert path.exists() and not path.with_suffix(".svg").exists()


def test_lines_are_told_apart_without_colour():
    figure = figures.lines({str(n): TABLE for n in range(7)}, "x (no unit)", "caption")
    looks = {(line.get_marker(), str(line.get_linestyle())) for line in figure.axes[0].lines}
    assert len(looks) == 7 and len({marker for marker, _ in looks}) == 7


def test_a_timeline_overlays_signals_and_draws_the_truth_once():
    truth = pd.DataFrame({"t_start": [1.0], "t_end": [2.0]})
    found = {"A": truth, "B": truth.iloc[:0]}
    signal = np.arange(5.0)
    panels = {"scores": {"before": signal, "after": 2 * signal}, "empty": None}
    figure = figures.timeline(panels, truth, found, Timebase(25.0, 25.0), "caption")
    assert len(figure.axes) == 3
    assert "ground truth" not in [label.get_text() for label in figure.axes[-1].get_yticklabels()]
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["ground truth", "before", "after"]
    strokes = {str(patch.get_linestyle()) for patch in figure.axes[0].patches[1:]}
    assert len(strokes) == 2


def test_a_forest_cuts_no_name_and_has_a_marker_per_verdict():
    lines = [
        ("a claim", f"{LONG} > B", "+3.0", "+2.0", "1.0 to 3.0", "holds"),
        ("a claim", "C > B", "–", "-2.0", "-3.0 to -1.0", "reversed"),
    ]
    columns = ["claim", "comparison", "paper", "here", "95 % interval", "verdict"]
    judged = pd.DataFrame(lines, columns=columns).assign(trained="–").set_index("claim")
    figure = forest.of_judged(judged, "caption", "paper, on HACS")
    names = [label.get_text().replace("\n", " ") for label in figure.axes[0].get_yticklabels()]
    assert names == ["a claim", f"{LONG} > B", "C > B"]
    assert not any("…" in name for name in names)
    markers = [line.get_marker() for line in figure.axes[0].lines if line.get_marker() != "None"]
    assert {"o", "X", "|"} <= set(markers)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["holds", "reversed", "paper, on HACS"]


def test_a_forest_of_a_paper_names_paper_and_data_sets_as_readers_do():
    lines = [("a claim", "A > B", "+3.0", "+2.0", "1.0 to 3.0", "–", "holds")]
    columns = ["claim", "comparison", "paper", "here", "95 % interval", "trained", "verdict"]
    (one,) = judged_of(pd.DataFrame(lines, columns=columns).set_index("claim"))
    places = [("facnet", "shrec21"), ("facnet", "a set of somebody's own")]
    judged = [replace(one, paper=paper, dataset=dataset) for paper, dataset in places]
    ((paper, figure),) = forest.forests(judged)
    assert paper == "facnet" and figure.get_suptitle().startswith("FAC-Net: ")
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["a set of somebody's own", "SHREC'21 (hand skeletons, 12 s)"]
