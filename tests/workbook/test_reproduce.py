"""Which notebooks are executed on which data set."""

from pathlib import Path

import pytest

from wtal_core.errors import WorkbookError
from wtal_core.workbook.artifacts import Notebook
from wtal_core.workbook.reproduce import _about

ANY = Notebook("facnet/table3", Path("table3.ipynb"))
OWN = Notebook("ladder/predictions", Path("predictions.ipynb"), "simulated-2")


def test_a_notebook_about_one_data_set_is_left_out_of_others():
    assert _about("simulated-2", [ANY, OWN]) == [ANY, OWN]
    assert _about("hapt", [ANY, OWN]) == [ANY]


def test_alone_it_is_refused_with_the_remedy():
    remedy = "about data set simulated-2, not hapt: .wtal reproduce ladder/predictions --dataset "
    with pytest.raises(WorkbookError, match=remedy):
        _about("hapt", [OWN])
