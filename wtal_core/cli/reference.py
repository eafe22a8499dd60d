"""docs/commands.md: every command with its options, from the functions that the commands are.

`make docs` writes it; a test compares.
"""

import inspect
from pathlib import Path
from typing import Any

from docstring_parser.google import parse
from tyro.conf import Positional

from wtal_core.cli.entry import Command, all_commands, overview, summary

HEAD = """# Commands

This page is written by `make docs`, from the commands themselves. `wtal COMMAND --help` tells the
same.

```
{overview}
```
"""


def _sample(word: Positional[Any]) -> None: ...


# how an argument that is given by its place is marked
_POSITIONAL = inspect.signature(_sample).parameters["word"].annotation


def reference() -> str:
    """The whole page."""
    sections = [_section(name, command) for name, command in all_commands().items()]
    return "\n".join([HEAD.format(overview=overview()), *sections])


def write(path: Path) -> None:
    """Write the page."""
    path.write_text(reference(), encoding="utf-8")


def _section(name: str, command: Command) -> str:
    described = parse(command.__doc__ or "")
    lines = [f"## `wtal {name}`", "", summary(command), ""]
    if described.long_description:
        lines += [described.long_description, ""]
    parameters = inspect.signature(command).parameters
    if parameters:
        lines += ["| argument | default | what |", "|---|---|---|"]
    for argument in described.params:
        parameter = parameters[argument.arg_name]
        what = " ".join((argument.description or "").split())
        lines.append(f"| {_name(parameter)} | {_default(parameter)} | {what} |")
    if parameters:
        lines.append("")
    return "\n".join(lines)


def _name(parameter: inspect.Parameter) -> str:
    """As it is typed: `NAME` by its place, `--name` otherwise."""
    metadata = getattr(parameter.annotation, "__metadata__", ())
    is_positional = set(_POSITIONAL.__metadata__) & set(metadata)
    renamed = [name for entry in metadata if (name := getattr(entry, "name", None))]
    name = renamed[0] if renamed else parameter.name.replace("_", "-")
    return f"`{name.upper()}`" if is_positional else f"`--{name}`"


def _default(parameter: inspect.Parameter) -> str:
    default = parameter.default
    if default is inspect.Parameter.empty:
        return "needed"
    if default is None or default in ("", ()):
        return ""
    return f"`{default}`"
