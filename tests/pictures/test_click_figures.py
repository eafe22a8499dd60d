"""Figures and tables of clicks: by hand, against the committed results, and from the real files
where they are.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from tests.data_samples import REAL, needs_real_data
from wtal_core.papers import reported, reported_rows
from wtal_core.pictures import click_figures
from wtal_core.report.artifacts import read_tables


def positions(*values, length=5.0):
    return pd.DataFrame(
        {"video": "v", "t": 0.0, "length": length, "position": np.array(values, dtype=float)}
    )


def test_positions_by_length_of_the_segment():
    found = click_figures.position_table(
        {
            "A": pd.concat([positions(0.05, 0.95, 0.96, 0.5), positions(0.0, length=3.9)]),
            "B": positions(0.3),
        }
    )
    assert found.index.tolist() == [
        (name, length) for length in ("all", "< 4 s", "≥ 4 s") for name in ("A", "B", "together")
    ]
    row = found.loc[("A", "≥ 4 s")]
    assert row["clicks"] == "4" and (row["0–10 %"], row["50–60 %"], row["90–100 %"]) == (
        "25.0",
        "25.0",
        "50.0",
    )
    assert (
        found.loc[("A", "< 4 s"), "clicks"] == "1"
        and found.loc[("together", "all"), "clicks"] == "6"
    )
    assert found.loc[("B", "< 4 s"), "clicks"] == "0" and found.loc[("B", "< 4 s"), "p"] == "nan"
    assert len(click_figures.position_table({"A": positions(0.5)}, None)) == 1


def test_the_figure_shows_the_table():
    generator = np.random.default_rng(0)
    table = click_figures.position_table(
        {"A": positions(*generator.random(500)), "B": positions(*generator.random(300) ** 2)}
    )
    figure = click_figures.position_figure(table.loc[["A", "B"]].query("segments != '< 4 s'"), "x")
    panels = [axes for axes in figure.axes if axes.patches]
    assert len(panels) == 4
    heights = [
        bar.get_height() for bar in panels[1].patches if bar.get_width() == pytest.approx(0.9)
    ]
    np.testing.assert_allclose(
        heights, [float(text) for text in table.loc[("B", "all"), click_figures.TENTHS]]
    )
    plt.close(figure)


def test_committed_results_say_what_the_paper_claims_and_hides():
    """Together uniform, as Figure 7 says; by length of the segment not: a mixture."""
    table = click_figures.committed_table("figure7")
    p = table["p"].astype(float)
    assert (p.xs("all", level="segments") > 0.05).all() and (
        p.xs("< 4 s", level="segments") < 1e-4
    ).all()
    long = table.loc[("A2", "≥ 4 s"), click_figures.TENTHS].astype(float)
    assert p[("A2", "≥ 4 s")] < 1e-8 and min(long.iloc[0], long.iloc[9]) > 15 > 2 * long.iloc[5]


def test_committed_files_say_where_they_are_from():
    tables = read_tables(click_figures.COMMITTED / "figure7.csv")
    page = (click_figures.COMMITTED / "figure7.md").read_text()
    assert {name: table.caption for name, table in tables.items()} == click_figures.CAPTIONS
    for caption in click_figures.CAPTIONS.values():
        assert caption in page
        assert "real annotations" in caption
    assert (click_figures.COMMITTED / "figure7.png").exists()


def test_without_files_nothing_is_written(tmp_path):
    assert click_figures.published(tmp_path) is None and click_figures.real_tables(tmp_path) is None
    assert (
        click_figures.write_results(tmp_path / "out", tmp_path) == []
        and not (tmp_path / "out").exists()
    )


@needs_real_data
def test_committed_tables_are_those_of_the_real_files(tmp_path):
    click_figures.write_results(tmp_path, REAL)
    for file in ("figure7.csv", "figure7.md"):
        committed = click_figures.COMMITTED / file
        assert (tmp_path / file).read_text() == committed.read_text()
    for name, table in click_figures.real_tables(REAL).items():
        committed = click_figures.committed_table(name)
        assert (
            committed.index.tolist() == table.index.tolist()
            and (committed.to_numpy() == table.to_numpy(dtype=str)).all()
        )


@needs_real_data
def test_real_counts_in_the_tables():
    tables = click_figures.real_tables(REAL)
    counts = tables["figure7_clicks"]
    assert counts.loc["clicks"].tolist() == ["2264", "2323", "2344"]
    assert counts.loc["in action (%)"].tolist() == ["5.87", "1.89", "6.02"]
    assert counts.loc["videos with most clicks in action", "A1"] == "0000205 (34), 0000314 (19)"
    assert tables["figure7_action"]["in their class"].tolist() == ["2859", "2850", "2896", "2938"]


def test_relative_changes_of_table_5():
    table = click_figures.relative_changes(reported_rows("backtal/table5"))
    assert table["printed (%)"].tolist() == ["17.9", "10.1", "6.7", "12.4"]
    assert (
        table["printed (%)"].astype(float) - table["recomputed (%)"].astype(float)
    ).abs().max() <= 0.05
    assert table["rounding allows (%)"].iloc[2] == "4.4 to 9.0"
    figure = click_figures.change_figure(table, "x")
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert widths == pytest.approx([17.91, 10.1, 6.67, 12.38])
    plt.close(figure)


def test_cost_figure_has_a_point_a_method():
    points = pd.DataFrame(
        reported("backtal")["figures"]["figure8"]["points_stated_in_text_or_tables"]
    ).assign(supervision="x")
    figure = click_figures.cost_figure(points, "x")
    (axes,) = figure.axes
    assert axes.get_xscale() == "log" and {text.get_text() for text in axes.texts} == set(
        points["method"]
    )
    assert sum(len(line.get_xdata()) for line in axes.lines) == 7
    plt.close(figure)
