"""What schemathesis has to be told about Dateline.

JSON lines: OpenAPI 3.1 has no word for them, so the document describes the whole of them as an array; here such an array
becomes lines and lines become one, by which every line of an answer is held to its schema.

The model: which labels and which models there are depends on the service, not on the document. A request that is meant
to be right gets those of the service that is asked.
"""

import json
import urllib.request

import schemathesis
from schemathesis.core.parameters import ParameterLocation

LINES = "application/x-ndjson"
# Options that a JSON body and the query may have, but not both.
OPTIONS = ("offsets", "min_score", "labels", "model", "include_text", "entities")

_served = {}


def served(base):
    """The labels of each model of the service, the default model first."""
    if base not in _served:
        with urllib.request.urlopen(f"{base}/v1/models", timeout=10) as answer:
            _served[base] = {model["name"]: model["labels"] for model in json.load(answer)["models"]}
    return _served[base]


@schemathesis.serializer(LINES)
def to_lines(ctx, value):
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", errors="surrogatepass")
    lines = value if isinstance(value, list) else [value]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


@schemathesis.serializer("application/x-amz-json-1.1")
def to_amazons_json(ctx, value):
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@schemathesis.deserializer("application/x-amz-json-1.1")
def from_amazons_json(ctx, response):
    return json.loads(response.content)


@schemathesis.deserializer(LINES)
def from_lines(ctx, response):
    # Not splitlines: U+2028 and its like are no line breaks in JSON lines.
    return [json.loads(line) for line in response.content.split(b"\n") if line]


@schemathesis.check
def right_lines_are_annotated(ctx, response, case):
    """The status of a stream says nothing about its lines: those that fit the document have to have mentions."""
    if case.media_type != LINES or case.meta is None or case.meta.generation.mode.is_negative:
        return
    if response.status_code == 200 and isinstance(case.body, list):
        lines = from_lines(None, response)
        assert len(lines) == len(case.body), f"{len(case.body)} lines were sent, {len(lines)} came back"
        wrong = [line for line in lines if "mentions" not in line]
        assert not wrong, f"a right line was refused: {wrong[0]}"


@schemathesis.hook
def filter_case(context, case):
    """A wrong line is answered in its place, with status 200: no wrong stream is ever refused as a whole. And which body is
    wrong for Comprehend depends on a header, which no schema can say."""
    untold = case.media_type == LINES or case.path == "/integrations/comprehend"
    return not (untold and case.meta is not None and case.meta.is_negative_at(ParameterLocation.BODY))


# What a schema cannot say: a document in XMI, its type system, that a shape counts its data, an interface of Label Studio,
# and that a story has some text.
INTERFACE = '<View><Labels name="label" toName="text"><Label value="Location"/></Labels><Text name="text" value="$text"/></View>'
XMI = (
    '<xmi:XMI xmlns:xmi="http://www.omg.org/XMI" xmlns:cas="http:///uima/cas.ecore"><cas:Sofa xmi:id="1" '
    'sofaID="_InitialView" sofaString="Kyiv"/><cas:View sofa="1" members=""/></xmi:XMI>'
)
TYPES = (
    "<typeSystemDescription><types><typeDescription><name>custom.Name</name><supertypeName>uima.tcas.Annotation"
    "</supertypeName><features><featureDescription><name>value</name><rangeTypeName>uima.cas.String</rangeTypeName>"
    "</featureDescription><featureDescription><name>inception_internal_predicted</name><rangeTypeName>uima.cas.Boolean"
    "</rangeTypeName></featureDescription></features></typeDescription></types></typeSystemDescription>"
)


def make_right(case):
    """Makes a body right in what its schema cannot say."""
    if case.path == "/integrations/comprehend" and isinstance(case.body, dict):
        many = str((case.headers or {}).get("X-Amz-Target", "")).endswith("BatchDetectEntities")
        case.body = {"LanguageCode": "en", **({"TextList": ["Kyiv"]} if many else {"Text": "Kyiv"})}
    if case.path == "/integrations/label-studio/predict" and isinstance(case.body, dict):
        case.body["label_config"] = INTERFACE
    if case.path == "/integrations/label-studio/setup" and isinstance(case.body, dict) and case.body.get("schema"):
        case.body["schema"] = INTERFACE
    if case.path == "/v1/ninjs" and isinstance(case.body, dict):
        case.body = {"standard": {"name": "ninjs", "version": "3.1"}, "uri": "urn:example:1", "headlines": [{"value": "Kyiv"}]}
    if case.path == "/integrations/inception/predict" and isinstance(case.body, dict):
        case.body["document"]["xmi"], case.body["typeSystem"] = XMI, TYPES
        case.body["metadata"].update(layer="custom.Name", feature="value", range={"begin": 0, "end": 4})
    if case.path == "/v2/models/{model}/infer" and isinstance(case.body, dict):
        for tensor in case.body["inputs"]:
            tensor.pop("parameters", None)
            tensor["shape"] = [len(tensor.setdefault("data", ["Kyiv"]))]
        wanted = {output["name"]: output for output in case.body.get("outputs") or []}
        if wanted:
            case.body["outputs"] = list(wanted.values())
        if "labels" in (case.body.get("parameters") or {}):
            del case.body["parameters"]["labels"]


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is not None and case.meta.generation.mode.is_negative:
        return
    make_right(case)
    base = kwargs.get("base_url") or case.operation.schema.get_base_url()
    if case.path_parameters and "model" in case.path_parameters:
        case.path_parameters["model"] = next(iter(served(base)))
    for options in (case.query, case.body):
        if isinstance(options, dict) and "model" in options:
            options["model"] = next(iter(served(base)))
        if isinstance(options, dict) and "labels" in options:
            labels = next(iter(served(base).values()))[:2]
            # The query is on its way already: its labels are one value.
            options["labels"] = ",".join(labels) if options is case.query else labels
    if isinstance(case.query, dict) and isinstance(case.body, dict):
        for name in OPTIONS:
            if name in case.body:
                case.query.pop(name, None)
