"""nbval compares outputs as text; messages on stderr (progress, warnings with paths) are no
results.
"""

import nbval.kernel
from jupyter_client.manager import KernelManager

from wtal_core.workbook.kernel_sockets import WithoutPorts


class Manager(WithoutPorts, KernelManager):
    """Both workers start kernels at the same moments."""


nbval.kernel.KernelManager = Manager


def pytest_collectstart(collector):
    if collector.path.suffix == ".ipynb":
        collector.skip_compare += ("stderr",)
