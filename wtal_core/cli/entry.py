"""Which command is which function, and how one is run."""

import io
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr
from functools import partial, wraps

import tyro

from wtal_core import __version__
from wtal_core.cli import (
    data,
    own,
    refusals,
    results,
    scaffolds,
    scoring,
    statistics,
    timeline,
    videos,
    videos_try,
    workbook,
)
from wtal_core.cli.extras import how_to_install
from wtal_core.errors import WorkbookError

Command = Callable[..., int]
COMMANDS: dict[str, Command] = {
    "evaluate": scoring.evaluate,
    "diagnose": scoring.diagnose,
    "try": videos_try.try_videos,
    "features": videos.features,
    "timeline": timeline.timeline,
    "train": own.train,
    "detect": own.detect,
    "export": own.export,
    "convert": scoring.convert,
    "lab": workbook.lab,
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
        "add": own.add_dataset,
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


def status(arguments: list[str] | None = None) -> int:
    """Run one command; its exit status. arguments: those that this process was given, if None."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words:
        print(overview(), file=sys.stderr)
        return 2
    if words[0] in ("--help", "-h"):
        print(overview())
        return 0
    if words[0] == "--version":
        print(f"wtal {__version__}")
        return 0
    _keep_going_on_strange_names()
    if words[0] in GROUPS:
        group = words.pop(0)
        return _run(GROUPS[group], f"wtal {group}", ABOUT_GROUPS[group], words)
    return _run(COMMANDS, "wtal", "`wtal --help` lists all commands.", words)


def _run(commands: Mapping[str, Command], program: str, about: str, words: list[str]) -> int:
    """The exit status of the command that the words ask for; errors are told in one line."""
    try:
        return _bound(commands, program, about, words)()
    except WorkbookError as error:
        return _refused(str(error))
    except ModuleNotFoundError as error:
        remedy = how_to_install(error.name or "")
        if remedy is None:  # a fault of ours, not a part that the user chose to leave out
            raise
        return _refused(remedy)
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        return _refused(refusals.of_system(error))
    except MemoryError:
        return _refused("not enough memory; close other programs, or give fewer --jobs")


def _bound(
    commands: Mapping[str, Command], program: str, about: str, words: list[str]
) -> Callable[[], int]:
    """The command that the words ask for, with its arguments. Raises WorkbookError where the
    words ask for nothing that there is, SystemExit after the page of help.
    """
    name = words[0] if words else ""
    if name and not name.startswith("-") and name not in commands:
        raise WorkbookError(refusals.of_name(name, commands, program))
    if not name:
        raise WorkbookError(f"{program} needs one of {', '.join(commands)}; see `{program} --help`")
    # With the options of one command alone, the parser's guesses are of that command.
    asked = {name: commands[name]} if name in commands else dict(commands)
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            bound: Callable[[], int] = tyro.extras.subcommand_cli_from_dict(
                {known: _later(command) for known, command in asked.items()},
                prog=program,
                args=words,
                description=about,
            )
    except SystemExit as exit_:
        if not exit_.code:
            raise
        if name not in commands:
            raise WorkbookError(f"{program} has no option {name}; see `{program} --help`") from None
        text = refusals.of_parser(said.getvalue(), f"{program} {name}", asked[name], words[1:])
        raise WorkbookError(text) from None
    return bound


def _later(command: Command) -> Callable[..., Callable[[], int]]:
    """The command's arguments as they are parsed, for a call that happens afterwards."""

    @wraps(command)
    def bind(*arguments: object, **options: object) -> Callable[[], int]:
        return partial(command, *arguments, **options)

    return bind


def _refused(text: str) -> int:
    print(f"wtal: {refusals.one_line(text)}", file=sys.stderr)
    return 2


def _keep_going_on_strange_names() -> None:
    """A file's name that is no text in this terminal's encoding is written with escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
