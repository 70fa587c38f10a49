"""What this model takes and answers, as an OpenAPI 3.1 document and as a page made of it: static, no script, no CDN."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from typing import Any

from pintle.contract.manifest import OUTLIERS, Example, Feature, Manifest
from pintle.serve import VERSION
from pintle.serve.http import Answer, json_answer
from pintle.serve.models import Inputs
from pintle.serve.outcome import label_key
from pintle.serve.settings import Identity

Schema = dict[str, Any]
HTML = b"text/html; charset=utf-8"
POLICY = (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'")
_JSON_TYPE = {"String": "string", "Timestamp": "string", "Integer": "integer", "Boolean": "boolean"}
_ERRORS = {
    "400": "Not JSON, an unknown or missing column, a wrong type: the message names row and column.",
    "413": "Body or rows above the limit.",
    "415": "Another media type or encoding.",
    "422": "The model answers no number to a row in which a value is missing.",
    "503": "Loading, or too much is waiting; Retry-After says when to come again.",
    "504": "No answer in time.",
}


def document(
    manifest: Manifest, inputs: Inputs, example: Example, identity: Identity, metadata: Schema, explains: bool
) -> Schema:
    """The OpenAPI document; `metadata` is that of the Open Inference Protocol, `explains` whether the model can."""
    base = f"/v2/models/{identity.model}"
    rows = [dict(example.rows[0])]
    infer = {"inputs": [_example_tensor(item, rows[0], inputs) for item in metadata["inputs"]]}
    ask = {
        "/predict": _post("Predictions for rows with named columns", "Rows", "Predictions", {"rows": rows}),
        f"{base}/infer": _post("Open Inference Protocol: infer", "InferRequest", "InferAnswer", infer),
        f"/v1/models/{identity.model}:predict": _post("V1 protocol", "Instances", "V1Answer", {"instances": rows}),
    }
    if explains:
        path = f"/v1/models/{identity.model}:explain"
        ask[path] = _post("What each column contributed", "Instances", "V1Answer", {"instances": rows})
    tell = {
        "/v2/health/live": "The process lives",
        "/v2/health/ready": "The model has answered its own example",
        "/v2": "The server's name, version and extensions",
        base: "The model's inputs and outputs",
        f"{base}/ready": "The model is ready",
        f"/v1/models/{identity.model}": "V1 protocol: the model is ready",
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Model {identity.model}, version {identity.version}",
            "version": identity.version,
            "description": f"{manifest.task}, served by Pintle {VERSION}.",
        },
        "paths": {**ask, **{path: _get(text) for path, text in tell.items()}},
        "components": {"schemas": _schemas(manifest, inputs, explains)},
    }


def _schemas(manifest: Manifest, inputs: Inputs, explains: bool) -> dict[str, Schema]:
    row = {
        "type": "object",
        "properties": {feature.name: _column(feature) for feature in inputs.features},
        "required": [feature.name for feature in inputs.features if feature.required],
        "additionalProperties": False,
    }
    by_column = _object(**{feature.name: _list(_column(feature)) for feature in inputs.features})
    tokens = {**_list({"type": "string"}), "description": "One per row: send it back with the truth."}
    named = {name: {"type": "string"} for name in ("model", "version", "revision")}
    prediction: Schema = _object(value={"type": "number"})
    figure: Schema = {"type": "number"}
    if manifest.output_names:
        prediction = _object(values=_object(**{name: {"type": "number"} for name in manifest.output_names}))
        figure = _list(figure)
    if manifest.task == OUTLIERS:
        figure = {"type": "boolean"}
        prediction = _object(outlier=figure, score={"type": "number"})
    if manifest.labels:
        shares = {label_key(label): {"type": "number"} for label in manifest.labels}
        figure = {"enum": list(manifest.labels)}
        prediction = _object(label=figure, probabilities=_object(**shares))
    answered: dict[str, Schema] = {"predictions": _list(figure)}
    if manifest.task == OUTLIERS:
        answered["scores"] = _list({"type": "number"})
    elif manifest.labels:
        answered |= {"classes": {"type": "array"}, "probabilities": _list(_list({"type": "number"}))}
    asked: dict[str, Schema] = {}
    if explains:
        figures = {feature.name: {"type": "number"} for feature in inputs.features}
        method = {"enum": ["Library", "Sampled"]}
        explanation = {"contributions": _object(**figures), "base": {"type": "number"}, "method": method}
        prediction["properties"] |= explanation
        answered["explanations"] = _list(_object(**explanation))
        asked["explain"] = {"type": "boolean", "description": "With what each column contributed."}
    tensor = _object(
        name={"type": "string"},
        shape=_list({"type": "integer"}),
        datatype={"type": "string"},
        data={"type": "array"},
        parameters={"type": "object"},
    )
    known = {"id": {"type": "string"}, "parameters": {"type": "object"}}
    return {
        "Row": row,
        "Rows": {"oneOf": [_object(rows=_list(_ref("Row")), **asked), _object(columns=by_column, **asked)]},
        "Predictions": _object(**named, predictions=_list(prediction), tokens=tokens),
        "Tensor": tensor,
        "InferRequest": _object(**known, inputs=_list(_ref("Tensor")), outputs=_list(_object(name={"type": "string"}))),
        "InferAnswer": _object(
            **known,
            model_name={"type": "string"},
            model_version={"type": "string"},
            outputs=_list(_ref("Tensor")),
        ),
        "Instances": _object(instances=_list({"oneOf": [_ref("Row"), {"type": "array"}]})),
        "V1Answer": _object(**answered, tokens=tokens),
        "Error": _object(error={"type": "string"}),
    }


def _column(feature: Feature) -> Schema:
    kind = _JSON_TYPE.get(feature.type, "number")
    # a boolean may be sent as a number and the other way round: both are float32 to the model
    kinds = ["boolean", "number"] if kind == "boolean" else [kind]
    found: Schema = {"type": kinds if feature.required else [*kinds, "null"]}
    return {**found, "format": "date-time"} if feature.is_time else found


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _post(summary: str, takes: str, gives: str, example: Any) -> Schema:
    errors = {code: {"description": text, "content": _json(_ref("Error"))} for code, text in _ERRORS.items()}
    return {
        "post": {
            "summary": summary,
            "requestBody": {"required": True, "content": _json(_ref(takes), example)},
            "responses": {"200": {"description": "The answers", "content": _json(_ref(gives))}, **errors},
        }
    }


def _get(summary: str) -> Schema:
    return {"get": {"summary": summary, "responses": {"200": {"description": summary}}}}


def _json(schema: Schema, example: Any = None) -> Schema:
    return {"application/json": {"schema": schema} if example is None else {"schema": schema, "example": example}}


def _example_tensor(tensor: Schema, row: Mapping[str, Any], inputs: Inputs) -> Schema:
    """One row as a tensor; a Matrix input holds all columns."""
    names = [tensor["name"]] if tensor["name"] in {item.name for item in inputs.features} else None
    data = [row.get(name) for name in names or [item.name for item in inputs.features]]
    return {"name": tensor["name"], "shape": [1, len(data)], "datatype": tensor["datatype"], "data": data}


class DocsPage:
    """`/docs` and `/openapi.json`, made once."""

    def __init__(self, made: Schema) -> None:
        self.document = json_answer(made)
        self.page = Answer(200, _page(made).encode(), HTML, (POLICY,))


def _page(made: Schema) -> str:
    info, schemas = made["info"], made["components"]["schemas"]
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(info['title'])}</title>",
        "<meta name=viewport content='width=device-width'><style>",
        "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}",
        "pre{background:#f4f4f4;color:#222;padding:.7rem;overflow:auto}",
        "td,th{text-align:left;padding:.1rem .8rem .1rem 0}</style>",
        f"<h1>{html.escape(info['title'])}</h1><p>{html.escape(info['description'])} ",
        "The same for programs: <a href='openapi.json'>openapi.json</a>.</p>",
        "<h2>Columns</h2><table><tr><th>name<th>type<th>missing</tr>",
    ]
    required = schemas["Row"]["required"]
    for name, column in schemas["Row"]["properties"].items():
        kinds = " or ".join(kind for kind in column["type"] if kind != "null") + " " + column.get("format", "")
        missing = "refused" if name in required else "null, or left out"
        parts.append(f"<tr><td><code>{html.escape(name)}</code><td>{kinds}<td>{missing}</tr>")
    parts.append("</table>")
    for path, methods in made["paths"].items():
        for method, item in methods.items():
            parts += _operation(path, method, item, schemas)
    parts.append('<h2>Errors</h2><p>The body is <code>{"error": "..."}</code>.</p><table>')
    parts += [f"<tr><th>{code}<td>{html.escape(text)}</tr>" for code, text in _ERRORS.items()]
    return "".join([*parts, "</table></html>"])


def _operation(path: str, method: str, item: Schema, schemas: Schema) -> list[str]:
    parts = [f"<h2><code>{method.upper()} {html.escape(path)}</code></h2><p>{html.escape(item['summary'])}</p>"]
    if body := item.get("requestBody"):
        example = json.dumps(body["content"]["application/json"]["example"]).replace("'", r"'\''")
        call = f"curl -H content-type:application/json http://HOST{path} -d '{example}'"
        parts.append(f"<pre>{html.escape(call)}</pre>")
        answer = item["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
        shape = json.dumps(schemas[answer]["properties"], indent=1)
        parts.append(f"<details><summary>answer</summary><pre>{html.escape(shape)}</pre></details>")
    return parts
