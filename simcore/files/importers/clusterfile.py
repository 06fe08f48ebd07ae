"""Read a file that describes a cluster, from one of several programs."""

import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

from headway.simcore.files.bounds import MOST_GRAPH_BYTES
from headway.simcore.files.importers.cluster import ClusterFile
from headway.simcore.files.importers.exo import is_exo, read_exo
from headway.simcore.files.importers.jsonobject import JsonObject
from headway.simcore.files.importers.mesh_llm import is_mesh_llm, read_mesh_llm
from headway.simcore.files.importers.parallax import is_parallax, read_parallax
from headway.simcore.files.importers.prima_cpp import is_prima_cpp, read_prima_cpp
from headway.traces.errors import InputError, one_of, quoted
from headway.traces.files import json_object, read_text


class _JsonFormat(NamedTuple):
    fits: Callable[[Mapping[str, object]], bool]
    read: Callable[[JsonObject], ClusterFile]


_PRIMA_CPP = "prima.cpp"
_JSON_FORMATS: Mapping[str, _JsonFormat] = {
    "exo": _JsonFormat(is_exo, read_exo),
    "mesh-llm": _JsonFormat(is_mesh_llm, read_mesh_llm),
    "parallax": _JsonFormat(is_parallax, read_parallax),
}

CLUSTER_FORMATS = (*_JSON_FORMATS, _PRIMA_CPP)
"""Names of all formats."""

_ACCEPTED = f"a file of {', '.join(CLUSTER_FORMATS[:-1])} or {CLUSTER_FORMATS[-1]} (docs/topology.md)"


def read_cluster_file(path: str | os.PathLike[str], form: str | None = None) -> tuple[str, ClusterFile]:
    """Read the cluster in a file of another program.

    Args:
        path: of the file.
        form: one of `CLUSTER_FORMATS`; None chooses by the content.

    Returns:
        The format and the cluster.

    Raises:
        InputError: the file cannot be read, is above 5 MB, has no known format, or has an invalid value.
    """
    if form is not None and form not in CLUSTER_FORMATS:
        raise InputError("--format", quoted(form), one_of(form, CLUSTER_FORMATS))
    where = os.fspath(path)
    text = read_text(where, MOST_GRAPH_BYTES, _ACCEPTED)
    if form == _PRIMA_CPP or (form is None and is_prima_cpp(text)):
        return _PRIMA_CPP, read_prima_cpp(text, where)
    if not text.lstrip().startswith("{"):
        raise InputError(where, f"a file that begins with {quoted(text[:20])}", _ACCEPTED)
    values = json_object(text, where, _ACCEPTED)
    name = form or next((name for name, one in _JSON_FORMATS.items() if one.fits(values)), None)
    if name is None:
        raise InputError(where, f"the keys {quoted(list(values))}", _ACCEPTED)
    return name, _JSON_FORMATS[name].read(JsonObject(values, where))
