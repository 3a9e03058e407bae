"""Artifacts to plain JSON and back: what crosses a process boundary, a cache entry or `edgec plan --output json`."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from edgec.artifacts.document import Json

if TYPE_CHECKING:
    from cattrs import Converter

Artifact = TypeVar("Artifact")


def to_json(value: Any) -> Json:
    """Return ``value`` (dataclasses, mappings, sequences) as JSON data; field order is kept, tuples become lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    return value


def from_json(kind: type[Artifact], data: Json) -> Artifact:
    """Return the ``kind`` that ``to_json`` turned into ``data``.

    Raises ValueError, naming each wrong or unknown field, when ``data`` is not one.
    """
    import cattrs

    try:
        return _converter().structure(data, kind)
    except cattrs.BaseValidationError as error:
        raise ValueError("; ".join(cattrs.transform_error(error, path=kind.__name__))) from error


@functools.cache
def _converter() -> Converter:
    from cattrs import Converter
    from cattrs.strategies import configure_union_passthrough

    converter = Converter(forbid_extra_keys=True)
    configure_union_passthrough(str | int | float | bool | None, converter)
    return converter
