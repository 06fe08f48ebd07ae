"""Parts of the simulator by name: shipped parts, and parts of installed packages.

A part (an execution pattern, a sharing rule, a transport, ...) is an object. A scenario file names it; Python code
passes the object or its name. A package adds a part by an entry point: its name is the name of the part, its value the
object.
"""

from importlib.metadata import entry_points
from typing import Generic, Protocol, TypeVar, cast

from headway.traces import InputError
from headway.traces.errors import error_text, one_of, quoted


class Named(Protocol):
    """Something with a name."""

    @property
    def name(self) -> str:
        """The name in scenarios."""
        ...


def name_of(part: Named | str) -> str:
    """The name of a part, given the part or its name."""
    return part if isinstance(part, str) else part.name


Part = TypeVar("Part", bound=Named)


class Registry(Generic[Part]):
    """The parts of one kind.

    Args:
        sort: noun for the parts in error messages.
        group: of entry points through which packages add parts.
        shipped: parts of Headway by name.
    """

    def __init__(self, sort: str, group: str, shipped: dict[str, Part]) -> None:
        self._sort = sort
        self._group = group
        self._shipped = shipped

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted({*self._shipped, *(entry.name for entry in entry_points(group=self._group))}))

    def module(self, name: str) -> str:
        """The module of another package that provides the part; empty if the part is shipped or unknown."""
        if name in self._shipped:
            return ""
        modules = (entry.module for entry in entry_points(group=self._group) if entry.name == name)
        return next(modules, "")

    def find(self, part: Named | str, where: str | None = None) -> Part:
        """Find a part by its name; a part itself is returned unchanged.

        Args:
            part: the part or its name.
            where: file and line that name it, for error messages.

        Raises:
            InputError: no part has this name, or the package that provides it cannot be imported.
        """
        if not isinstance(part, str):
            return cast("Part", part)
        if part in self._shipped:
            return self._shipped[part]
        where = where or self._sort
        entries = {entry.value: entry for entry in entry_points(group=self._group) if entry.name == part}
        if not entries:
            raise InputError(where, quoted(part), one_of(part, self.names()))
        if len(entries) > 1:
            raise InputError(
                where,
                f"{quoted(part)}, which is {' and '.join(sorted(entries))}",
                "a name that one package registers",
            )
        (entry,) = entries.values()
        try:
            return entry.load()  # type: ignore[no-any-return]
        except Exception as error:
            raise InputError(
                where,
                f"{quoted(part)}, which cannot be imported ({error_text(error)})",
                "an installed part that can be imported",
            ) from error
