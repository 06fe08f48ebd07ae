"""Parts of the simulator by name: those that are shipped, and those of installed packages.

A part (an execution pattern, a rule of sharing, a transport, ...) is an object. A scenario file names it, Python code
passes it or its name. A package adds one by an entry point, whose name is the name of the part and whose value is the
object.
"""

from importlib.metadata import entry_points
from typing import Generic, Protocol, TypeVar, cast

from headway.traces import InputError
from headway.traces.errors import one_of, shown, told


class Named(Protocol):
    """Something with a name."""

    @property
    def name(self) -> str:
        """By which scenarios ask for it."""
        ...


def name_of(part: Named | str) -> str:
    """The name of a part that is given as such or by its name."""
    return part if isinstance(part, str) else part.name


Part = TypeVar("Part", bound=Named)


class Registry(Generic[Part]):
    """The parts of one sort.

    Args:
        sort: what they are, for messages.
        group: of the entry points by which packages add some.
        shipped: by name.
    """

    def __init__(self, sort: str, group: str, shipped: dict[str, Part]) -> None:
        self._sort = sort
        self._group = group
        self._shipped = shipped

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted({*self._shipped, *(entry.name for entry in entry_points(group=self._group))}))

    def module(self, name: str) -> str:
        """The module of another package that has the part of a name; empty where it is shipped, or there is none."""
        if name in self._shipped:
            return ""
        modules = (entry.module for entry in entry_points(group=self._group) if entry.name == name)
        return next(modules, "")

    def find(self, part: Named | str, where: str | None = None) -> Part:
        """The part of a name; a part itself is returned as it is.

        Args:
            part: or its name.
            where: it is named, for messages.

        Raises:
            InputError: there is none of this name, or the package that has it cannot be used.
        """
        if not isinstance(part, str):
            return cast("Part", part)
        if part in self._shipped:
            return self._shipped[part]
        where = where or self._sort
        found = {entry.value: entry for entry in entry_points(group=self._group) if entry.name == part}
        if not found:
            raise InputError(where, shown(part), one_of(part, self.names()))
        if len(found) > 1:
            raise InputError(
                where,
                f"{shown(part)}, which is {' and '.join(sorted(found))}",
                "a name that stands for one thing",
            )
        (entry,) = found.values()
        try:
            return entry.load()  # type: ignore[no-any-return]
        except Exception as error:
            raise InputError(
                where, f"{shown(part)}, which cannot be loaded: {told(error)}", "an installed part that can"
            ) from error
