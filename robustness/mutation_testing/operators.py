"""The operators of mutation: every way to change one thing in a module's source."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from functools import partial

COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
ARITHMETIC = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
BOOLEAN = {ast.And: ast.Or, ast.Or: ast.And}
DELETED = (ast.Expr, ast.Raise, ast.Assign, ast.AnnAssign, ast.AugAssign)


def changed(source: str) -> Iterator[ast.Module]:
    """The trees of ``source`` with one change each; never of an annotation or a docstring."""
    tree = ast.parse(source)
    for at, node in enumerate(_nodes(tree)):
        for number, _ in enumerate(_changes(node)):
            copied = copy.deepcopy(tree)
            there = list(_nodes(copied))[at]
            list(_changes(there))[number]()
            yield ast.fix_missing_locations(copied)


def _nodes(node: ast.AST) -> Iterator[ast.AST]:
    """A node and all that may be changed below it, always in one order."""
    yield node
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_prose(node, child):
                yield from _nodes(child)


def _is_prose(parent: ast.AST, child: ast.AST) -> bool:
    """A docstring, or what a formatted string says around its values."""
    return isinstance(child, ast.Constant) and isinstance(parent, ast.Expr | ast.JoinedStr)


def _changes(node: ast.AST) -> Iterator[Callable[[], None]]:
    """Each change of a node itself, as a call that makes it."""
    if isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            yield partial(node.ops.__setitem__, i, COMPARISONS[type(op)]())
    elif isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in ARITHMETIC:
        yield partial(setattr, node, "op", ARITHMETIC[type(node.op)]())
    elif isinstance(node, ast.BoolOp):
        yield partial(setattr, node, "op", BOOLEAN[type(node.op)]())
    elif isinstance(node, ast.UnaryOp):  # once more: --x, not not x
        yield partial(setattr, node, "operand", ast.UnaryOp(node.op, node.operand))
    elif isinstance(node, ast.Constant) and node.value is not None:
        yield partial(setattr, node, "value", _other(node.value))
    elif isinstance(node, ast.Return) and node.value is not None:
        yield partial(setattr, node, "value", ast.Constant(None))
    elif isinstance(node, ast.If | ast.IfExp):
        yield partial(setattr, node, "test", ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.comprehension):
        yield from (partial(node.ifs.pop, i) for i in range(len(node.ifs)))
    elif isinstance(node, ast.Call):
        yield from (partial(node.keywords.pop, i) for i in range(len(node.keywords)))
    for body in (getattr(node, name, None) for name in ("body", "orelse")):
        if isinstance(body, list):
            yield from _deletions(body)


def _other(value: bool | int | float | str) -> bool | int | float | str:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    return value + ("?" if isinstance(value, str) else 1)


def _deletions(body: list[ast.stmt]) -> Iterator[Callable[[], None]]:
    for i, statement in enumerate(body):
        is_docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if isinstance(statement, DELETED) and not is_docstring:
            yield partial(body.__setitem__, i, ast.Pass())
