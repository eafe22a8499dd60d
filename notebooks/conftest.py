"""nbval compares outputs as text; messages on stderr (progress, warnings with paths) are no
results.
"""


def pytest_collectstart(collector):
    if collector.path.suffix == ".ipynb":
        collector.skip_compare += ("stderr",)
