"""What a module says of what it uses: imports, declared files, and implementations that settings choose."""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = "rankscape"
PROGRESS = f"{PACKAGE}.foundation.progress"
"""Module of progress bars and log lines, which change no result."""
SIBLINGS = "*"
"""Stands for all modules beside one, in `Facts.registered`."""
_DECLARATIONS = {"assets", "lazy", "lazy_folder"}


class Facts(NamedTuple):
    """What is known of one module."""

    digest: str
    """Hash of its text without comments, docstrings, layout and log lines."""
    imports: list[str]
    """Names of its own package and of this one that it imports, at any depth."""
    assets: list[str]
    """Patterns of the files that it declares."""
    registered: dict[str, str]
    """Modules that it imports by a setting's name; under `*` the package that has them all."""


@cache
def own_text() -> bytes:
    """Return the text of this module: facts that another version of it read may be others."""
    return Path(__file__).read_bytes()


def read_facts(name: str, source: bytes, path: Path) -> Facts:
    """Read a module's facts.

    Args:
        name: Dotted name of the module.
        source: Its text.
        path: Its file, for messages.

    Raises:
        ValueError: If it has a relative import, which cannot be followed by name, or a declaration is no literal.
    """
    tree = ast.parse(source, filename=str(path))
    imports = _imports(tree, name)
    patterns: list[str] = []
    registered: dict[str, str] = {}
    for declared, call in _declarations(tree):
        if declared == "assets":
            patterns += [_literal(argument, name) for argument in call.args[1:]]
        elif declared == "lazy":
            registered |= _literal(call.args[0], name)
        else:
            registered[SIBLINGS] = name.rpartition(".")[0]
    text = ast.unparse(_without_log_lines(_without_docstrings(tree)))
    return Facts(hashlib.sha256(text.encode()).hexdigest(), imports, patterns, registered)


def _declarations(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Calls of `assets`, `lazy` and `lazy_folder` whose result a name of the module's top level gets."""
    for node in tree.body:
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        called = value.func if isinstance(value, ast.Call) else None
        if isinstance(value, ast.Call) and isinstance(called, ast.Name) and called.id in _DECLARATIONS:
            yield called.id, value


def _literal(node: ast.expr, name: str) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise ValueError(f"{name}:{node.lineno}: files and implementations are declared by literal text.") from None


def _imports(tree: ast.Module, name: str) -> list[str]:
    names: list[str] = []
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level and name.split(".", maxsplit=1)[0] == PACKAGE:
                raise ValueError(f"{name}:{node.lineno}: relative import; use an absolute one.")
            if node.level:
                module = ".".join([*name.split(".")[: -node.level], *([module] if module else [])])
            names += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    return [n for n in names if n.split(".")[0] in {PACKAGE, name.split(".", maxsplit=1)[0]}]


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and all statements in it; expressions are most of a tree, and hold no imports and no docstrings."""
    yield node
    for field in _BODIES:
        for child in getattr(node, field, ()):
            yield from _statements(child)


_BODIES = ("body", "orelse", "finalbody", "handlers", "cases")


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in list(_statements(tree)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        kept = [part for part in node.body if not _is_bare_string(part)]
        node.body = kept or [ast.Pass()]
    return tree


def _is_bare_string(part: ast.stmt) -> bool:
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) and isinstance(part.value.value, str)


def _without_log_lines(tree: ast.Module) -> ast.Module:
    """Take out log lines, and the words of progress bars; what a bar counts through stays."""
    names = set(_progress_names(tree))
    if not names:
        return tree
    for node in list(_statements(tree)):
        for field in _BODIES:
            body = getattr(node, field, None)
            if isinstance(body, list):
                kept = [part for part in body if not _logs(part, names)]
                setattr(node, field, kept or ([ast.Pass()] if body else []))
    return _WithoutBars(names).visit(tree)  # type: ignore[no-any-return]


def _progress_names(tree: ast.Module) -> Iterable[str]:
    """How a module calls what it has of the module of progress: `say`, `track`, or `progress.say`."""
    for node in _statements(tree):
        if isinstance(node, ast.ImportFrom) and node.module == PROGRESS:
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == PROGRESS.rpartition(".")[0]:
            named = [alias.asname or alias.name for alias in node.names if alias.name == "progress"]
            yield from (f"{name}.{part}" for name in named for part in ("say", "track", "bar"))


def _logs(part: ast.stmt, names: set[str]) -> bool:
    if isinstance(part, ast.ImportFrom) and part.module == PROGRESS:
        return True
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Call) and _called(part.value) in names


def _called(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
        return f"{call.func.value.id}.{call.func.attr}"
    return call.func.id if isinstance(call.func, ast.Name) else ""


class _WithoutBars(ast.NodeTransformer):
    """Makes `track(items, "what")` of every call with words `track(items)`."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        called = _called(node)
        if called in self._names:
            node.args = node.args[:1] if called.endswith("track") else []
            node.keywords = []
        return node
