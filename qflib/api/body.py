"""Bodies decoded strictly: Litestar itself would take "5" for a number and 1 for true."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from litestar.dto import AbstractDTO

from qflib.api.problems import malformed

if TYPE_CHECKING:
    from litestar._openapi.schema_generation import SchemaCreator
    from litestar.dto.data_structures import DTOFieldDefinition
    from litestar.openapi.spec import Reference, Schema
    from litestar.typing import FieldDefinition

T = TypeVar("T")
_DECODERS: dict[type[Any], msgspec.json.Decoder[Any]] = {}


class StrictBody(AbstractDTO[T]):
    """The body of a route as its struct, or a problem."""

    def decode_bytes(self, value: bytes) -> Any:
        """The struct."""
        return decoded(value, self.model_type)

    def decode_builtins(self, value: dict[str, Any]) -> Any:
        """Forms are not taken: the door lets JSON alone in."""
        raise malformed(ValueError("a form where JSON is expected"))

    @classmethod
    def create_for_field_definition(
        cls, field_definition: FieldDefinition, handler_id: str, backend_cls: Any = None
    ) -> None:
        """Nothing to prepare: the struct itself is the model."""

    @classmethod
    def create_openapi_schema(
        cls, field_definition: FieldDefinition, handler_id: str, schema_creator: SchemaCreator
    ) -> Reference | Schema:
        """The struct's own schema."""
        return schema_creator.for_field_definition(field_definition)

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Iterator[DTOFieldDefinition]:  # type: ignore[override]
        """None: there is no other model."""
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        """None is."""
        return False


def decoded(value: bytes, model: type[T]) -> T:
    """Bytes as a struct.

    Raises
    ------
    ProblemError
        400, with the field that is wrong.
    """
    decoder = _DECODERS.get(model)
    if decoder is None:
        decoder = _DECODERS[model] = msgspec.json.Decoder(model)
    try:
        made: T = decoder.decode(value)
    except (msgspec.MsgspecError, RecursionError, ValueError) as e:
        raise malformed(e) from None
    return made
