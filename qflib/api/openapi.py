"""The OpenAPI pages: what Litestar makes of the routes, and what it cannot know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, SwaggerRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Schema,
    SecurityScheme,
)
from litestar.openapi.spec import Parameter as OpenAPIParameter

from qflib import __version__
from qflib.api.auth import is_public
from qflib.api.requests import Body
from qflib.api.routes.history import ARROW

if TYPE_CHECKING:
    from litestar.openapi.spec import OpenAPI

_PLACE = "#/components/schemas/{name}"


class Exact(Schema):
    """A schema that is told as it is: msgspec's own, of which Litestar drops bounds of 0 and refused fields."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__()
        self._told = told

    def to_schema(self) -> dict[str, Any]:
        """What is shown."""
        return self._told


def config() -> OpenAPIConfig:
    """Where the pages are and what they begin with."""
    return OpenAPIConfig(
        title="qflib",
        version=__version__,
        path="/schema",
        render_plugins=[SwaggerRenderPlugin(path="/"), JsonRenderPlugin()],
        components=Components(
            security_schemes={"key": SecurityScheme(type="http", scheme="bearer", description="a key of `qflib keys`")}
        ),
        security=[{"key": []}],
        description=(
            "Books, orders, executions, risk and history of a running desk. Prices and quantities are decimal strings; "
            "times are nanoseconds UTC and RFC 3339; every error is a problem document (RFC 9457) with a stable code."
        ),
    )


def complete(schema: OpenAPI) -> None:
    """Add what decorators cannot say: what needs no key, what bodies refuse, the other form of a page of history."""
    paths = schema.paths or {}
    for path, item in paths.items():
        if is_public(path) and item.get is not None:
            item.get.security = []
        for operation in (item.get, item.post, item.put, item.delete):
            for told in (operation.parameters if operation is not None else None) or ():
                if isinstance(told, OpenAPIParameter) and isinstance(told.schema, Schema):
                    told.schema = _there(told.schema)
    _, bodies = msgspec.json.schema_components(list(_kinds(Body)), ref_template=_PLACE)
    for name, exact in bodies.items():
        if name in schema.components.schemas:
            schema.components.schemas[name] = Exact(exact)
    page = paths["/v1/history/{topic}"].get
    answer = None if page is None else (page.responses or {}).get("200")
    if isinstance(answer, OpenAPIResponse) and answer.content is not None:
        binary = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
        answer.content[ARROW] = OpenAPIMediaType(schema=binary)


def _kinds(kind: type[Any]) -> Iterator[type[Any]]:
    for below in kind.__subclasses__():
        yield below
        yield from _kinds(below)


def _there(schema: Schema) -> Schema:
    """The schema of a parameter that is there: in an address there is no null."""
    some = [s for s in schema.one_of or () if isinstance(s, Schema) and s.type != OpenAPIType.NULL]
    if schema.one_of is not None and len(some) == 1:
        schema.one_of, schema.type = None, some[0].type
    if isinstance(schema.type, list):
        kinds = [t for t in schema.type if t != OpenAPIType.NULL]
        schema.type = kinds[0] if len(kinds) == 1 else kinds
    if schema.enum is not None:
        schema.enum = [v for v in schema.enum if v is not None]
    return schema
