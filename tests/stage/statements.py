"""What SQL a statement is: worked out once for all of a worker's stores, and not once for each.

SQLAlchemy keeps what it worked out with each engine, by its dialect. Tests make an engine a second, and all of one
kind have the same dialect in all but identity; a fifth of the suite's processor time went into the same statements.
"""

from typing import Any

from sqlalchemy.engine import Engine
from sqlalchemy.util import LRUCache

MOST = 4000  # statements


class _ByKind(LRUCache[Any, Any]):
    """Takes the kind of a dialect for the dialect."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_of_kind(key), default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(_of_kind(key), value)


def _of_kind(key: Any) -> Any:
    dialect, *rest = key
    return type(dialect), dialect.driver, *rest


def shared() -> None:
    """Have every engine that is made from now on, also by others, look into one store of statements."""
    known, begin = _ByKind(MOST), Engine.__init__

    def init(engine: Engine, *arguments: Any, **named: Any) -> None:
        begin(engine, *arguments, **named)
        engine._compiled_cache = known

    Engine.__init__ = init  # type: ignore[method-assign]
