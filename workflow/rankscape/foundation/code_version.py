"""Version of a stage's code, used as a Snakemake param and written into every output's provenance.

Snakemake reruns a `shell:` rule when its command line or params change, but it cannot see the package that the
command runs. A stage's code version makes the package visible: it changes when the stage's module, or any package
module that it imports, changes in a way that can change results. Comments, docstrings and layout do not count.
"""

import ast
import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = "rankscape"
ROOT = Path(__file__).resolve().parents[2]
"""Folder that holds the package."""


Facts = tuple[str, tuple[str, ...]]
"""Hash of a module without comments, docstrings and layout, and the package names that it imports at any depth."""


class Notes:
    """Facts of source files by the hash of their content, kept in a file: parsing all of them slows every plan.

    A file that is missing or unreadable, or cannot be written, costs time and nothing else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Facts] = {}
        self._news = False
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            noted = json.loads(path.read_text(encoding="utf-8"))
            self._known = {str(key): (str(digest), tuple(imports)) for key, (digest, imports) in noted.items()}

    def find(self, key: str) -> Facts | None:
        """Return what is known of a file with this content."""
        return self._known.get(key)

    def add(self, key: str, facts: Facts) -> None:
        """Note a file's facts; `save` writes them."""
        self._known[key], self._news = facts, True

    def save(self) -> None:
        """Write the file if there is news; two processes at once leave one whole file."""
        if not self._news:
            return
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}.part")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(self._known), encoding="utf-8")
            temporary.replace(self._path)
        self._news = False


def stage_module(stage: str) -> str:
    """Return the module of a stage's command: `tile` is shared, `ranking train` belongs to a study."""
    study, _, verb = stage.rpartition(" ")
    name = verb.replace("-", "_")
    return f"rankscape.studies.{study}.stages.{name}" if study else f"rankscape.stages.{name}"


@cache
def code_version(module: str, root: Path = ROOT, notes: Notes | None = None) -> str:
    """Return a short hash of a module and of every package module that it imports.

    Args:
        module: Dotted name, such as `rankscape.stages.tile`.
        root: Folder that holds the package.
        notes: Facts from earlier runs; new ones are added and saved.

    Returns:
        First 16 hex digits of the hash.

    Raises:
        ValueError: If the module does not exist, or one of the modules uses a relative import, which cannot be
            followed by name.
    """
    if _source(module, root) is None:
        raise ValueError(f"{module} is no module below {root}.")
    digest = hashlib.sha256()
    for name in sorted(_closure(module, root, notes)):
        digest.update(f"{name}\n{_facts(name, root, notes)[0]}\n".encode())
    if notes is not None:
        notes.save()
    return digest.hexdigest()[:16]


def _closure(module: str, root: Path, notes: Notes | None) -> set[str]:
    found: set[str] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        if name not in found and _source(name, root) is not None:
            found.add(name)
            # Not the packages above it: their __init__ declare a study or offer names, and compute nothing.
            todo += _facts(name, root, notes)[1]
    return found


@cache
def _source(name: str, root: Path) -> Path | None:
    base = root.joinpath(*name.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


@cache
def _facts(name: str, root: Path, notes: Notes | None) -> Facts:
    path = _source(name, root)
    if path is None:
        return "", ()
    source = path.read_bytes()
    # Another Python may write the same tree in other words.
    key = hashlib.sha256(b"\n".join([sys.version.encode(), name.encode(), source])).hexdigest()
    facts = notes.find(key) if notes is not None else None
    if facts is None:
        facts = _parsed(name, source, path)
        if notes is not None:
            notes.add(key, facts)
    return facts[0] + _companions(path), facts[1]


def _parsed(name: str, source: bytes, path: Path) -> Facts:
    tree = ast.parse(source, filename=str(path))
    imports = tuple(_imports(tree, name))
    return hashlib.sha256(ast.unparse(_without_docstrings(tree)).encode()).hexdigest(), imports


def _companions(path: Path) -> str:
    """Hash of files that a module reads from its own folder at run time (templates, kernels), by naming convention."""
    folder = path.with_suffix("")
    names = sorted(folder.parent.glob(f"{folder.name}.*"))
    others = [p for p in names if p.suffix in {".j2", ".css", ".js", ".cu"}]
    return "".join(hashlib.sha256(p.read_bytes()).hexdigest() for p in others)


def _imports(tree: ast.Module, name: str) -> list[str]:
    names: list[str] = []
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                raise ValueError(f"{name}:{node.lineno}: relative import; use an absolute one.")
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [n for n in names if n.split(".")[0] == PACKAGE]


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and all statements in it; expressions are most of a tree, and hold no imports and no docstrings."""
    yield node
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for child in getattr(node, field, ()):
            yield from _statements(child)


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in list(_statements(tree)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        kept = [part for part in node.body if not _is_bare_string(part)]
        node.body = kept or [ast.Pass()]
    return tree


def _is_bare_string(part: ast.stmt) -> bool:
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) and isinstance(part.value.value, str)
