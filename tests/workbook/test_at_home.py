"""A notebook that is about a data set of its own is reproduced there, whatever is named."""

from wtal_core.workbook.artifacts import find_notebooks
from wtal_core.workbook.reproduce import at_home


def test_a_teaching_page_stays_in_its_world_and_a_table_goes_where_it_is_told():
    page, table = find_notebooks(("gaufuse/idea", "facnet/table3"))[::-1]
    assert (page.artifact, table.artifact) == ("gaufuse/idea", "facnet/table3")
    given = {"dataset": "hapt", "seeds": 2}
    assert at_home(page, given) == {"dataset": "teaching-2-fading", "seeds": 2}
    assert at_home(table, given) == given


def test_where_no_data_set_is_named_each_notebook_has_its_own():
    ladder, page = sorted(
        find_notebooks(("ladder", "ten/idea")), key=lambda notebook: notebook.artifact
    )
    asked = {"dataset": "", "seeds": 2}
    assert at_home(page, asked) == {"dataset": "teaching-2-context", "seeds": 2}
    assert at_home(ladder, asked) == {"dataset": "simulated-2", "seeds": 2}
    assert at_home(ladder, {"dataset": "shrec21"}) == {"dataset": "shrec21"}
