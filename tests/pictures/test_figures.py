"""Figures of rows and of parameters: what is drawn, and that it is the same every time."""

import numpy as np
import pandas as pd
import pytest

from wtal_core.pictures import figures

TABLE = pd.DataFrame([[10.0, 12.0], [20.0, 20.0], [30.0, 34.0]], index=[0.8, 1.0, 1.2])
OFFICIAL = pd.Series([35.8, 36.3, 36.2], index=[0.8, 1.0, 1.2])


@pytest.fixture
def drawn():
    panels = {
        "λ (no unit)": {"reproduced": TABLE},
        "β (no unit)": {"reproduced": TABLE, "other": TABLE + 1},
    }
    return figures.sweeps(
        panels,
        {"λ (no unit)": OFFICIAL, "β (no unit)": OFFICIAL.iloc[:2]},
        "caption",
        "mAP@0.5 (%)",
    )


def test_a_panel_a_parameter_with_the_paper_below_it(drawn):
    first, second, paper, other_paper = drawn.axes
    assert paper.get_xlabel() == "λ (no unit)"
    assert first.get_ylabel() == "mAP@0.5 (%)" and paper.get_ylabel() == "paper (%)"
    assert second.get_ylabel() == other_paper.get_ylabel() == ""
    assert [line.get_ydata().tolist() for line in first.lines] == [[11, 20, 32]]
    assert [line.get_ydata().tolist() for line in paper.lines] == [OFFICIAL.tolist()]
    assert [t.get_text() for t in paper.get_xticklabels()] == ["0.8", "1", "1.2"]
    assert len(second.lines) == 2 and len(other_paper.lines[0].get_ydata()) == 2
    assert first.get_ylim() == second.get_ylim() and paper.get_ylim() == other_paper.get_ylim()


def test_numbers_of_the_same_data_stand_in_the_same_panel():
    panels = {"λ": {"here": TABLE}}
    figure = figures.sweeps(
        panels, {"λ": OFFICIAL}, "caption", together=True, references={"plain": 15.0}
    )
    (axes,) = figure.axes
    assert axes.lines[0].get_ydata().tolist() == [11, 20, 32]
    assert axes.lines[-1].get_ydata().tolist() == OFFICIAL.tolist()
    assert "plain: 15.0" in [t.get_text() for t in figure.legends[0].get_texts()]
    bars = figures.bars({"a": TABLE.loc[0.8]}, {"a": 9.0}, "caption", together=True)
    (axes,) = bars.axes
    assert len(axes.collections) == 1


def test_lines_below_zero_are_seen_beside_a_line_at_zero():
    below = {"helps": TABLE, "harms": -TABLE, "not trained": TABLE * np.nan}
    (axes,) = figures.lines(below, "level", "caption", ticks=["low", "mid", "high"]).axes
    assert axes.get_ylim()[0] < -32
    assert list(axes.lines[-1].get_ydata()) == [0, 0]


def test_every_seed_has_a_line_where_some_go_another_way():
    apart = pd.DataFrame({0: [0.0, 1.0], 1: [0.0, 0.0], 2: [0.0, 0.1]})
    figure = figures.lines({"a": apart}, "epoch", "caption", every_seed=True)
    drawn = [line.get_ydata().tolist() for line in figure.axes[0].get_lines()]
    assert drawn == [[0.0, 0.1], [0.0, 1.0], [0.0, 0.0], [0.0, 0.1]]
    assert "median over seeds" in figure.get_suptitle() and not figure.axes[0].collections


def test_lines_above_zero_are_measured_from_zero():
    (axes,) = figures.lines({"a": TABLE, "not trained": TABLE * np.nan}, "level", "caption").axes
    assert axes.get_ylim()[0] == 0 and len(axes.lines) == 2


def test_the_legend_names_each_thing_once(drawn):
    assert [t.get_text() for t in drawn.legends[0].get_texts()] == [
        "reproduced",
        "other",
        "paper, on THUMOS14",
    ]


def test_the_band_is_one_deviation_and_none_of_one_seed(drawn):
    (band,) = drawn.axes[0].collections
    assert band.get_paths()[0].vertices[:, 1].max() == pytest.approx(32 + 8**0.5)
    alone = figures.lines({"one": TABLE[[0]]}, "x", "caption").axes[0]
    vertices = alone.collections[0].get_paths()[0].vertices
    assert vertices[:, 1].max() == 30


def pairs(seeds: dict[int, list[float]]) -> pd.DataFrame:
    """Four cells, the pairs of 0 and 0.1 upwards and 1 and 2 to the right."""
    index = pd.MultiIndex.from_product([[0, 0.1], [1, 2]], names=["up", "right"])
    return pd.DataFrame(seeds, index=index)


def test_a_heat_map_puts_the_first_value_upwards_and_the_second_to_the_right():
    left = pairs({0: [10, 20, 30, 40], 1: [12, 20, 30, 40]})
    figure = figures.heat_maps({"left": left, "right": left + 5}, "caption", "mAP (%)")
    first, second, scale = figure.axes
    image = first.images[0]
    assert image.get_array().tolist() == [[11, 20], [30, 40]] and image.origin == "lower"
    assert image.get_clim() == second.images[0].get_clim() == (11, 45)
    assert first.get_xlabel() == "right" and first.get_ylabel() == "up"
    assert [t.get_text() for t in first.get_xticklabels()] == ["1", "2"]
    assert [t.get_text() for t in first.get_yticklabels()] == ["0", "0.1"]
    texts = {t.get_position(): t.get_text() for t in first.texts}
    assert texts[0, 0] == "11.0\n± 1.4" and texts[1, 0] == "20.0\n± 0.0"
    assert texts[0, 1] == "30.0\n± 0.0"
    assert scale.get_ylabel() == "mAP (%)"


def test_a_heat_map_of_names_keeps_the_order_of_its_rows():
    index = pd.MultiIndex.from_product([["two", "one"], ["z", "a"]], names=["up", "right"])
    figure = figures.heat_maps({"m": pd.DataFrame({0: [1.0, 2.0, 3.0, 4.0]}, index=index)}, "c")
    first = figure.axes[0]
    assert [t.get_text() for t in first.get_xticklabels()] == ["z", "a"]
    assert [t.get_text() for t in first.get_yticklabels()] == ["two", "one"]
    assert first.images[0].get_array().tolist() == [[1, 2], [3, 4]]


def test_a_heat_map_of_one_seed_has_no_deviation_and_its_pairs_need_no_order():
    seed = pairs({0: [10.0, 20.0, 30.0, 40.0]})
    figure = figures.heat_maps({"shuffled": seed.iloc[[3, 0, 2, 1]]}, "caption")
    texts = {t.get_position(): t.get_text() for t in figure.axes[0].texts}
    assert texts == {(0, 0): "10.0", (1, 0): "20.0", (0, 1): "30.0", (1, 1): "40.0"}


def test_bars_show_each_seed_and_the_papers_number():
    values = {row: TABLE.loc[row] for row in TABLE.index}
    axes, paper = figures.bars(
        {str(k): v for k, v in values.items()}, {"0.8": 35.8, "1.0": None}, "caption", "mAP@0.5 (%)"
    ).axes
    assert [patch.get_height() for patch in axes.patches] == [11, 20, 32]
    assert [line.get_ydata().tolist() for line in axes.lines] == TABLE.to_numpy().tolist()
    assert axes.get_ylabel() == "mAP@0.5 (%)" and axes.get_ylim()[0] == 0
    assert not axes.collections and len(paper.collections) == 1  # one printed number, one line
    assert [t.get_text() for t in paper.get_xticklabels()] == ["0.8", "1.0", "1.2"]


def test_lying_bars_read_from_top_to_bottom():
    values = {"a long name of a row": TABLE.loc[0.8], "b": TABLE.loc[1.0], "c": TABLE.loc[1.2]}
    reported = {"b": 35.8, "c": None}
    figure = figures.bars(
        values, reported, "caption", "mAP@0.5 (%)", "paper, on HACS", layout="lying"
    )
    axes, paper = figure.axes
    assert [patch.get_width() for patch in axes.patches] == [11, 20, 32] and axes.get_xlim()[0] == 0
    place = [patch.get_y() for patch in axes.patches]
    assert place == sorted(place, reverse=True) and [
        t.get_text() for t in axes.get_yticklabels()
    ] == list(values)
    assert [line.get_xdata().tolist() for line in axes.lines] == TABLE.to_numpy().tolist()
    (printed,) = paper.collections
    assert printed.get_segments()[0][:, 0].tolist() == [35.8, 35.8]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == [
        "one seed",
        "here, mean over seeds",
        "paper, on HACS",
    ]


def test_the_line_of_the_paper_is_called_as_told():
    figure = figures.sweeps(
        {"λ": {"here": TABLE}}, {"λ": OFFICIAL}, "caption", source="paper, on HACS"
    )
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["here", "paper, on HACS"]


def test_a_saved_figure_has_the_same_bytes_every_time(tmp_path):
    for name in ("a.png", "b.png"):
        figures.save_figure(
            figures.lines({"one": TABLE}, "x (no unit)", "caption"), tmp_path / name
        )
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_upright_bars_have_references_across_and_a_dot_only_for_one_of_several_values():
    values = {"a": pd.Series([10.0, 30.0]), "b, c": pd.Series([50.0])}
    figure = figures.bars(
        values,
        {"a": 44.0},
        "caption",
        "share (%)",
        "printed",
        layout="upright",
        references={"chance": 27.3},
        top=100.0,
    )
    axes = figure.axes[0]
    assert [bar.get_height() for bar in axes.patches] == [20, 50]
    assert axes.get_ylim() == (0, 100)
    assert [t.get_text() for t in figure.axes[1].get_xticklabels()] == ["a", "b,\nc"]
    (legend,) = figure.legends
    assert {text.get_text() for text in legend.get_texts()} == {
        "here, mean over seeds",
        "one seed",
        "chance: 27.3",
        "printed",
    }
    dots = [line for line in axes.lines if line.get_marker() == "."]
    assert [dot.get_ydata().tolist() for dot in dots] == [[10, 30]]


def test_unit_range():
    assert figures.unit_range(np.array([-3.0, 1.0, -1.0])).tolist() == [0, 1, 0.5]
    assert figures.unit_range(np.array([2.0, 2.0])).tolist() == [0, 0]
    assert figures.unit_range(np.zeros(0)).tolist() == []


@pytest.mark.parametrize(("letters", "inches"), [(25, 4.0), (50, 6.0)])
def test_bars_make_room_for_long_names(letters, inches):
    figure = figures.bars({"x" * letters: TABLE.loc[0.8]}, {}, "caption")
    assert figure.get_figheight() == pytest.approx(inches)
