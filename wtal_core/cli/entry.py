"""Which command is which function, and how one is run."""

import os
import sys
from collections.abc import Callable, Mapping

import tyro

from wtal_core import __version__
from wtal_core.cli import data, results, scaffolds, scoring, statistics, workbook
from wtal_core.cli.extras import how_to_install
from wtal_core.errors import WorkbookError

Command = Callable[..., int]
COMMANDS: dict[str, Command] = {
    "evaluate": scoring.evaluate,
    "diagnose": scoring.diagnose,
    "convert": scoring.convert,
    "list": workbook.list_artifacts,
    "ladder": workbook.ladder,
    "predictions": workbook.predictions,
    "reproduce": workbook.reproduce,
    "notebooks": workbook.refresh_notebooks,
}
# A further command of a group needs one line here, a further group one more line in ABOUT_GROUPS
GROUPS: dict[str, dict[str, Command]] = {
    "data": {
        "list": data.list_datasets,
        "verify": data.verify_dataset,
        "fetch": data.fetch_dataset,
        "regime": data.dataset_regime,
        "simulate": data.simulate_dataset,
        "facts": data.print_facts,
    },
    "results": {
        "check": results.check,
        "accept": results.accept,
        "recompute": results.recompute,
        "export": results.export,
        "findings": results.findings,
        "profiles": results.profiles,
        "compare": results.compare_tables,
    },
    "statistics": {
        "timelines": statistics.timelines,
        "clicks": statistics.clicks,
        "protocols": statistics.protocols,
        "fusion": statistics.fusion,
    },
    "new": {
        "method": scaffolds.new_method,
        "notebook": scaffolds.new_notebook,
    },
}
ABOUT_GROUPS = {
    "data": "Obtain data sets and check their files.",
    "results": "Check, recompute, compare and export finished runs and their tables.",
    "statistics": "Compute the committed statistics of real files anew.",
    "new": "Write a scaffold that works: a method, a notebook.",
}
OVERVIEW = """usage: wtal COMMAND [OPTIONS]

The WTAL Workbook: weakly supervised temporal action localization, reproduced.

{commands}

`wtal COMMAND --help` tells a command's options, `wtal --version` the version.
Exit status 0: all well, 1: a check failed, 2: bad input, told in one line."""


def all_commands() -> dict[str, Command]:
    """Every command by its full name, such as "data verify"."""
    named = dict(COMMANDS)
    for group, commands in GROUPS.items():
        for name, command in commands.items():
            named[f"{group} {name}"] = command
    return named


def summary(command: Command) -> str:
    """The first sentence of a command's docstring, in one line."""
    text = " ".join((command.__doc__ or "").split())
    return text.split(". ")[0].rstrip(".") + "."


def overview() -> str:
    """What `wtal --help` prints: every command, groups included, each with one line."""
    named = all_commands()
    width = max(map(len, named))
    lines = [f"  {name:{width}}  {summary(command)}" for name, command in named.items()]
    return OVERVIEW.format(commands="\n".join(lines))


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with its status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words:
        print(overview(), file=sys.stderr)
        sys.exit(2)
    if words[0] in ("--help", "-h"):
        print(overview())
        sys.exit(0)
    if words[0] == "--version":
        print(f"wtal {__version__}")
        sys.exit(0)
    if words[0] in GROUPS:
        group = words[0]
        sys.exit(_run(GROUPS[group], f"wtal {group}", ABOUT_GROUPS[group], words[1:]))
    sys.exit(_run(COMMANDS, "wtal", "`wtal --help` lists all commands.", words))


def _run(commands: Mapping[str, Command], program: str, about: str, words: list[str]) -> int:
    """The exit status of the command that the words ask for; errors are told in one line."""
    try:
        status: int = tyro.extras.subcommand_cli_from_dict(
            dict(commands), prog=program, args=words, description=about
        )
        return status
    except WorkbookError as error:
        print(f"wtal: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        remedy = how_to_install(error.name or "")
        if remedy is None:  # a fault of ours, not a part that the user chose to leave out
            raise
        print(f"wtal: {remedy}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        print("wtal: interrupted; the same command goes on where this one stopped", file=sys.stderr)
        return 130
