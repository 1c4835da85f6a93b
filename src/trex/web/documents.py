"""The OpenAPI document for people, without scripts (GTW-007)."""

from html import escape
from pathlib import Path
from typing import Any

STYLES = Path(__file__).with_name("static")
"""Folder of the style of all pages, to be served as `/static/shared`."""


def docs_page(document: dict[str, Any], root: str = "") -> str:
    """Write an OpenAPI document as a page.

    Args:
        document: OpenAPI's.
        root: of `openapi.json` and `static/shared`.
    """
    parts = [f"<h1>{escape(document['info']['title'])}</h1><p>{escape(document['info']['description'])}</p>"]
    parts.append(f'<p><a href="{root}/openapi.json">openapi.json</a></p>')
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            parts.append(f"<section><h2><code>{method.upper()} {escape(path)}</code></h2>")
            parts.append(f"<p>{escape(told.get('description', told.get('summary', '')))}</p>")
            for where, what in _shapes(told):
                parts.append(f"<p>{escape(where)}: <code>{escape(what)}</code></p>")
            parts.append("</section>")
    parts.append("<h1>Bodies</h1>")
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        parts.append(f'<section id="{escape(name)}"><h2>{escape(name)}</h2>')
        parts.append(f"<p>{escape(schema.get('description', ''))}</p><dl>")
        for member, kind in schema.get("properties", {}).items():
            needed = " (required)" if member in schema.get("required", ()) else ""
            parts.append(f"<dt><code>{escape(member)}</code>{needed}</dt><dd>{escape(_kind(kind))}</dd>")
        parts.append("</dl></section>")
    body = "".join(parts)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(document['info']['title'])}</title>"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="stylesheet" href="{root}/static/shared/page.css"></head>'
        f"<body><main>{body}</main></body></html>"
    )


def _shapes(told: dict[str, Any]) -> list[tuple[str, str]]:
    found = [
        (f"{one['in']} {one['name']}", _kind(one.get("schema", {}))) for one in told.get("parameters", ())
    ]
    for content in told.get("requestBody", {}).get("content", {}).values():
        found.append(("takes", _kind(content.get("schema", {}))))
    for status, answer in told.get("responses", {}).items():
        for content in answer.get("content", {}).values():
            if status.isdecimal() and int(status) < 400:
                found.append((f"answers {status}", _kind(content.get("schema", {}))))
    return found


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(_kind(one) for one in options)
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if "const" in schema:
        return repr(schema["const"])
    if "enum" in schema:
        return " or ".join(map(repr, schema["enum"]))
    return str(schema.get("type", "anything"))
