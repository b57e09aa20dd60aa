"""Holds every example of the OpenAPI document to its schema: python tests/contract/examples.py docs/openapi.json"""

import json
import sys

import jsonschema_rs

LINES = "application/x-ndjson"


def contents(document):
    """Every content with its media type and what it is of."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            parts = [(f"{method} {path}", operation.get("requestBody", {}))]
            parts += [(f"{method} {path} {status}", answer) for status, answer in operation["responses"].items()]
            for name, part in parts:
                yield from ((name, kind, content) for kind, content in part.get("content", {}).items())
    for name, response in document["components"]["responses"].items():
        yield from ((name, kind, content) for kind, content in response["content"].items())


def main(path):
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    found = shown = 0
    for name, kind, content in contents(document):
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "components": document["components"],
            **content["schema"],
        }
        validator = jsonschema_rs.validator_for(schema)
        for key, example in content.get("examples", {}).items():
            value = example["value"]
            if kind == LINES:
                value = [json.loads(line) for line in value.splitlines()]
            shown += 1
            for error in validator.iter_errors(value):
                found += 1
                print(f"{path}: {name}, {kind}, example {key}: {error.message}", file=sys.stderr)
    print(f"{shown} examples, {found} that do not fit their schema")
    return min(found, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
