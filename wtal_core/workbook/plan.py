"""Which runs a notebook will ask for, known before it is executed.

Its statements are read, not its results: those that ask a session for runs, and those that make
what they ask with, are executed with a session that notes the runs and computes none. What cannot
be known so, because it depends on a result, the notebook itself asks for later.
"""

import ast
import io
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from wtal_core.runs.run import Run
from wtal_core.study import session as sessions
from wtal_core.study.session import NO_STARTS, Session
from wtal_core.workbook.execution import opened

ASKING = {"run", "trained", "trained_runs", "facts"}  # methods of a session
WRITING = ("save", "write", "display", "still")  # how calls begin that show or write something


class Absent:
    """Stands for a result that nobody has computed: whatever is asked of it is absent, too."""

    def __getattr__(self, name: str) -> "Absent":
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *given: Any, **named: Any) -> "Absent":
        return self

    def __getitem__(self, key: Any) -> "Absent":
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(())


@dataclass(frozen=True)
class Planning(Session):
    """A session that notes the runs it is asked for. noted: all of them, in order."""

    noted: list[Run] = field(default_factory=list)

    def run(self, method_name: str, rows: Any, starts: Any = NO_STARTS) -> Any:
        name = self.dataset.name
        self.noted.extend(
            Run(method_name, config, name, seed, starts.get(row))
            for row, config in rows.items()
            for seed in self.seeds
        )
        return Absent()

    def trained(self, method_name: str, config: Any, seed: int = 0) -> Any:
        return self._trained(method_name, config, [seed])[0]

    def trained_runs(self, method_name: str, config: Any) -> list[Any]:
        return self._trained(method_name, config, self.seeds)

    def facts(self, method_name: str, config: Any) -> list[Any]:
        return self._trained(method_name, config, self.seeds)

    def _trained(self, method_name: str, config: Any, seeds: Any) -> list[Any]:
        self.noted.extend(Run(method_name, config, self.dataset.name, seed) for seed in seeds)
        return [Absent() for _ in seeds]


def planned(notebook: Path, parameters: dict[str, Any]) -> list[Run]:
    """The runs that a notebook will ask for with these parameters, as far as they can be told."""
    code = [cell for cell in opened(notebook).cells if cell.cell_type == "code"]
    namespace: dict[str, Any] = {"__name__": "plan"}
    noted: list[Run] = []

    def open_planning(*given: Any, **named: Any) -> Planning:
        real = sessions.open_session(*given, **named)
        values = {part.name: getattr(real, part.name) for part in fields(Session)}
        return Planning(**values, noted=noted)

    statements: list[ast.stmt] = []
    for cell in code:
        if "parameters" in cell.metadata.get("tags", []):
            statements += ast.parse(cell.source).body
            statements += [_assignment(name, value) for name, value in parameters.items()]
        else:
            statements += _parsed(cell.source)
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        for statement in _needed(statements):
            _tried(statement, namespace)
            if "open_session" in namespace:
                namespace["open_session"] = open_planning
    return list(dict.fromkeys(noted))


def _assignment(name: str, value: Any) -> ast.stmt:
    return ast.parse(f"{name} = {value!r}").body[0]


def _parsed(source: str) -> list[ast.stmt]:
    """A cell's statements; none of a cell that is not plain Python, such as one with %magic."""
    try:
        return ast.parse(source).body
    except SyntaxError:
        return []


def _needed(statements: list[ast.stmt]) -> list[ast.stmt]:
    """Those that ask for runs, and all that make a name which one of them uses, in order."""
    open_sessions = {name for s in statements if _opens(s) for name in _stored(s)}
    chosen: set[int] = set()
    wanted: set[str] = set()
    for place in reversed(range(len(statements))):
        statement = statements[place]
        if _writes(statement):
            continue
        if _asks(statement, open_sessions) or _stored(statement) & wanted:
            chosen.add(place)
            wanted |= _loaded(statement)
    return [statements[place] for place in sorted(chosen)]


def _tried(statement: ast.stmt, namespace: dict[str, Any]) -> None:
    """Execute a statement of a notebook; one that a missing result stops is left out."""
    module = ast.fix_missing_locations(ast.Module([statement], []))
    try:
        exec(compile(module, "plan", "exec"), namespace)
    except Exception:
        return


def _opens(statement: ast.stmt) -> bool:
    return any(_name(call) in ("open_session", "on") for call in _calls(statement))


def _asks(statement: ast.stmt, open_sessions: set[str]) -> bool:
    """Whether it calls a session's method that needs runs, or gives a session to a function."""
    for call in _calls(statement):
        values = [*call.args, *(keyword.value for keyword in call.keywords)]
        given = {value.id for value in values if isinstance(value, ast.Name)}
        if (isinstance(call.func, ast.Attribute) and call.func.attr in ASKING) or (
            given & open_sessions
        ):
            return True
    return False


def _writes(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return False
    return any(_name(call).startswith(WRITING) for call in _calls(statement))


def _calls(statement: ast.stmt) -> Iterator[ast.Call]:
    return (node for node in ast.walk(statement) if isinstance(node, ast.Call))


def _name(call: ast.Call) -> str:
    """What a call calls: "run" of `session.run(...)`."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _loaded(statement: ast.stmt) -> set[str]:
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}


def _stored(statement: ast.stmt) -> set[str]:
    """The names that a statement binds, or whose values it changes."""
    names = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
            names |= {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return names
