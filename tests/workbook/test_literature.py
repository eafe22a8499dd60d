"""Which methods of the literature a comparison table trains."""

from wtal_core.models import method_names
from wtal_core.papers import known_methods, reported
from wtal_core.workbook.literature import rivals

COMPARISONS = [
    *("facnet/table1", "facnet/table2", "backtal/table1", "backtal/table2"),
    *("ten/table1", "ten/table2", "gaufuse/table1", "gaufuse/table2"),
]


def test_every_rival_is_a_printed_row_and_a_method_of_the_workbook():
    for artifact in COMPARISONS:
        paper, table = artifact.split("/")
        printed = [row["method"] for row in reported(paper)["tables"][table]["rows"]]
        found = rivals(artifact)
        assert found and len({rival.name for rival in found}) == len(found)
        for rival in found:
            assert rival.printed in printed and rival.method in method_names()
            assert known_methods()[rival.name]["workbook"] == rival.method


def test_the_papers_own_row_and_variants_are_no_rivals():
    names = {artifact: [rival.name for rival in rivals(artifact)] for artifact in COMPARISONS}
    assert "FAC-Net" not in names["facnet/table1"] and "FAC-Net" in names["gaufuse/table2"]
    assert "TEN" not in names["ten/table1"] and "TEN" in names["gaufuse/table2"]
    assert {"UM", "HAM-Net", "W-TALC", "BM", "3C-Net"} <= set(names["facnet/table1"])
    assert {"CO2-Net", "CoLA", "UM", "FAC-Net"} <= set(names["ten/table1"])


def test_of_several_rows_of_a_method_it_is_the_last():
    (stpn,) = [rival for rival in rivals("facnet/table1") if rival.name == "STPN"]
    rows = [row["method"] for row in reported("facnet")["tables"]["table1"]["rows"]]
    assert stpn.printed == [row for row in rows if row.startswith("STPN")][-1]
