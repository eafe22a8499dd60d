"""`wtal new`: scaffolds that work from the first minute."""

from pathlib import Path

from tyro.conf import Positional

from wtal_core.reading.commands import command


def new_method(name: Positional[str], folder: Path | None = None) -> int:
    """Write a method that trains: one file with every piece that a method has.

    Args:
        name: name of the method and of its file, such as my_method.
        folder: folder to write into; default wtal_core/models of the checkout.
    """
    from wtal_core.workbook.scaffold import write_method

    path = write_method(name, folder)
    print(f"wrote {path}")
    print("The next steps are in CONTRIBUTING.md, under 'Add a method'.")
    return 0


def new_notebook(artifact: Positional[str], folder: Path | None = None) -> int:
    """Write the notebook of a table or figure, to be executed by `wtal notebooks FILE`.

    Args:
        artifact: paper and table or figure, with its subject, such as facnet/table9_streams.
        folder: folder of notebooks to write into; default notebooks/ of the checkout.
    """
    from wtal_core.workbook.scaffold import write_notebook

    path = write_notebook(artifact, folder)
    print(f"wrote {path}; execute it with {command('notebooks', path)}")
    print("The next steps are in CONTRIBUTING.md, under 'Add a table'.")
    return 0
