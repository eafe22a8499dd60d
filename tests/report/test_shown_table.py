"""How a notebook shows a table: nothing is cut or read as markup, what stands out is marked."""

import base64
import html as markup
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wtal_core.report import tables
from wtal_core.report.shown_table import BEST, NEAR, as_html, as_latex, shown

LONG = "testing: Gaussian weighted fusion, code > testing: Baseline (NMS), the paper's form"
BESIDE = pd.DataFrame(
    {
        "reported": ["31.2", "30.5"],
        "reproduced": ["18.4", "34.4"],
        "95 % interval": ["9.5 to 27.3", "–"],
        "trained": ["5 of 5", "5 of 5"],
        "n": [5, 5],
    },
    index=pd.Index(["CW", "CA"], name="row"),
)
JUDGED = pd.DataFrame(
    {
        "claim": ["one", "one", "two"],
        "comparison": [LONG, "b > c", "c > d"],
        "here": ["+1.0", "-2.0", "–"],
        "95 % interval": ["0.5 to 1.5", "-3.0 to -1.0", "–"],
        "verdict": ["holds", "reversed", "not trained"],
    }
).set_index("claim")


def text_of(html: str) -> str:
    """What is read: no tags, no style, plain spaces."""
    without_style = re.sub(r"<style.*?</style>", "", html, flags=re.DOTALL)
    return " ".join(markup.unescape(re.sub(r"<[^>]+>", " ", without_style)).split())


def file_behind(html: str, word: str) -> str:
    data = re.search(rf'base64,([^"]+)">{word}</a>', html)
    assert data
    return base64.b64decode(data[1]).decode()


def test_nothing_is_cut():
    assert LONG in text_of(as_html(JUDGED))
    assert LONG in repr(shown(JUDGED)) and "..." not in repr(shown(JUDGED))
    assert len(as_html(pd.DataFrame({"x": range(200)})).split("<tr>")) == 202


def test_the_interval_stands_in_the_cell_and_what_all_rows_share_below():
    said = text_of(as_html(BESIDE))
    assert "18.4 (9.5 to 27.3)" in said and "here (95 % interval)" in said
    assert "In every row 5 of 5 seeds are trained. Seeds per row: 5." in said
    assert "34.4 (" not in said


def test_verdicts_have_a_sign_and_a_colour():
    html = as_html(JUDGED)
    said = text_of(html)
    assert "✓ holds" in said and "✗ reversed" in said and "○ not trained" in said
    assert html.count("background-color") == 3


def test_rows_of_one_claim_are_a_group():
    assert as_html(JUDGED).count('rowspan="2"') == 1


def test_the_best_is_bold_and_what_is_within_noise_underlined():
    html = as_html(shown(BESIDE, marks={"reproduced": {"CA": BEST, "CW": NEAR}}))
    assert "<b>34.4</b>" in html and "<u>18.4</u>" in html


def test_factors_are_check_marks_in_the_place_of_labels_that_they_tell_apart():
    factors = {"CW": {"cw": True, "ca": False}, "CA": {"cw": False, "ca": True}}
    html = as_html(tables.with_factors(BESIDE, factors))
    assert html.count("✓") == 2 and "CW" not in text_of(html)
    alike = {"CW": {"cw": True}, "CA": {"cw": True}}
    assert "CW" in text_of(as_html(tables.with_factors(BESIDE, alike)))


def test_what_is_no_number_is_a_dash_and_a_mapping_is_words():
    table = pd.DataFrame({"x": [np.nan, 2.941176], "y": [{"a": 1}, None]}, dtype=object)
    said = text_of(as_html(table))
    assert "nan" not in said.lower() and "{" not in said and "a 1" in said and "2.941" in said


def test_what_is_no_number_is_a_dash_in_text_and_files_too():
    table = shown(pd.DataFrame({"m50": [np.nan, 2.5]}, index=["a", None]))
    assert "nan" not in repr(table).lower() and "–" in repr(table)
    assert file_behind(as_html(table), "CSV").splitlines()[:2] == [",mAP@0.5", "a,–"]
    assert "None" not in text_of(as_html(table))


def test_what_all_comparisons_share_is_told_of_comparisons():
    alike = JUDGED.assign(trained="5 and 4 of 5", n="–")
    said = text_of(as_html(alike))
    assert "In every comparison 5 and 4 of 5 seeds are trained. CSV" in said


def test_names_are_never_markup():
    hostile = pd.DataFrame(
        {"<script>x</script>": ["<img src=x onerror=y>"]}, index=pd.Index(["<b>r</b>"], name="<i>")
    )
    html = as_html(shown(hostile, name='a"b', folded="<u>open</u>"))
    assert not re.search(r"<(script|img|i|u|b)\b", html)
    assert "&lt;script&gt;" in html and 'download="a&quot;b.csv"' in html


def test_words_are_left_and_numbers_right():
    html = as_html(JUDGED)
    assert 'class="words' in html or "words" in re.findall(r'<td[^>]*class="([^"]*)"', html)[-1]
    numbers = [cell for cell in re.findall(r"<td[^>]*>[^<]*</td>", html) if "+1.0" in cell]
    assert numbers and "words" not in numbers[0]


def test_the_table_is_behind_two_links():
    html = as_html(shown(BESIDE, name="table3"))
    csv = file_behind(html, "CSV")
    named = BESIDE.rename(columns={"reported": "paper", "reproduced": "here"})
    assert csv == named.to_csv(lineterminator="\n") and 'download="table3.csv"' in html
    latex = file_behind(html, "LaTeX")
    assert latex == as_latex(BESIDE)
    assert r"\toprule" in latex and "18.4 (9.5 to 27.3)" in latex and r"95 \% interval" in latex


def test_latex_has_no_letter_that_latex_would_read():
    latex = as_latex(pd.DataFrame({"a_b & c": ["50 % ± 2 #1"]}, index=pd.Index(["x_y"], name="r")))
    assert r"a\_b \& c" in latex and r"50 \% $\pm$ 2 \#1" in latex and r"x\_y" in latex


def test_it_is_the_same_text_every_time_and_another_one_for_another_table():
    assert as_html(JUDGED) == as_html(JUDGED.copy())
    first, second = (re.search(r'id="(T_[^"]+)"', as_html(table)) for table in (JUDGED, BESIDE))
    assert first and second and first[1] != second[1]


def test_settings_are_folded_and_many_fields_are_told_in_words():
    wide = pd.DataFrame([range(9), [*range(8), 99]], columns=list("abcdefghi"), index=["x", "y"])
    html = as_html(shown(wide, folded="settings"))
    assert html.startswith("<details><summary>settings</summary>")
    assert "i = 99" in text_of(html) and "h = 7" not in text_of(html)


def test_what_is_marked_stays_marked_when_columns_are_dropped(tmp_path: Path):
    marked = shown(BESIDE, marks={"reproduced": {"CA": BEST}}).drop(columns="reported")
    saved = tables.save_table(marked, tmp_path / "table1.csv", "A caption.")
    assert "<b>34.4</b>" in saved._repr_html_() and 'download="table1.csv"' in saved._repr_html_()


def test_best_and_near_are_of_paired_seeds():
    values = pd.DataFrame(
        [[40.0, 42.0, 44.0], [39.0, 43.0, 43.5], [30.0, 32.0, 34.0]], index=["a", "b", "c"]
    )
    assert tables.best_and_near(values) == {"a": BEST, "b": NEAR}
    assert tables.best_and_near(values.iloc[:, :1]) == {"a": BEST}
    assert tables.best_and_near(values.iloc[:1]) == {}


@pytest.mark.parametrize("numbers", [{"a": 1.0}, {"a": 1.0, "b": 1.0}, {"a": None}])
def test_one_printed_number_is_not_the_best(numbers):
    assert tables.best_printed(numbers, ["a", "b"]) == {}
