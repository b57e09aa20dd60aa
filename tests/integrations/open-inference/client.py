"""NVIDIA's Triton client against a running `dateline serve`: client.py BASE_URL KEY.

The client is used as its documentation says and not bent in any way, the blocking one and the one for asyncio. Every
mention has to be an exact slice of its text as Python counts, and what is wrong has to reach the caller.
"""

import asyncio
import json
import sys
from urllib.parse import urlsplit

import numpy as np
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.http.auth import BasicAuth
from tritonclient.utils import InferenceServerException

MODEL = "dateline-en-small"
OUTPUTS = ["mentions", "document", "start", "end", "label", "score"]
TEXTS = [
    "Gen. Oleksandr Syrskyi said the 93rd Mechanized Brigade held Bakhmut with HIMARS.",
    "🚀🇺🇦 In Bakhmut 👩‍🚒 the 93rd Mechanized Brigade fired HIMARS at Donetsk. 🔥",
    "",
    "President Emmanuel Macron and Jose\u0301 Ángel Gurría met in Kyiv — “at last”.",
    "KYIV —\tVolodymyr Zelensky spoke.\r\n\r\nLeopard 2 tanks arrived in Lviv.\0",
    "Nothing of note.",
]


def given(texts, binary=True, column=False):
    shape = [len(texts), 1] if column else [len(texts)]
    tensor = triton.InferInput("text", shape, "BYTES")
    tensor.set_data_from_numpy(np.array([text.encode() for text in texts], dtype=object).reshape(shape), binary)
    return [tensor]


def health_and_metadata(client):
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(MODEL)
    server = client.get_server_metadata()
    assert server["name"] == "dateline" and server["extensions"] == ["binary_tensor_data"], server
    model = client.get_model_metadata(MODEL)
    print(json.dumps(model))
    assert [(tensor["name"], tensor["datatype"]) for tensor in model["inputs"]] == [("text", "BYTES")]
    assert [tensor["name"] for tensor in model["outputs"]] == OUTPUTS
    assert not client.is_model_ready("other")


def columns(result):
    """The mentions as the columns have them: text, start, end, label, score."""
    rows = zip(*(result.as_numpy(name).tolist() for name in OUTPUTS[1:]))
    return [(document, start, end, label.decode() if isinstance(label, bytes) else label, round(score, 4))
            for document, start, end, label, score in rows]


def check(result, texts, cut=lambda text, start, end: text[start:end]):
    lists = [json.loads(mentions) for mentions in result.as_numpy("mentions").reshape(-1)]
    assert len(lists) == len(texts)
    expected = []
    for number, (text, mentions) in enumerate(zip(texts, lists)):
        for mention in mentions:
            assert cut(text, mention["start"], mention["end"]) == mention["text"], (text, mention)
            expected.append((number, mention["start"], mention["end"], mention["label"], mention["score"]))
    assert columns(result) == expected
    assert result.as_numpy("score").dtype == np.float32 and result.as_numpy("start").dtype == np.int64
    return lists


def every_way_says_the_same(client):
    lists = check(client.infer(MODEL, given(TEXTS), request_id="a1"), TEXTS)
    assert [bool(mentions) for mentions in lists] == [True, True, False, True, True, False], lists
    assert [(mention["label"], mention["text"]) for mention in lists[0]] == [
        ("PERSON", "Oleksandr Syrskyi"),
        ("UNIT", "93rd Mechanized Brigade"),
        ("PLACE", "Bakhmut"),
        ("WEAPON", "HIMARS"),
    ]
    for binary_in in (False, True):
        for binary_out in (False, True):
            for column in (False, True):
                outputs = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in OUTPUTS]
                result = client.infer(MODEL, given(TEXTS, binary_in, column), outputs=outputs, request_id="a1")
                assert check(result, TEXTS) == lists
                assert result.get_response()["id"] == "a1"
                assert list(result.as_numpy("mentions").shape) == ([len(TEXTS), 1] if column else [len(TEXTS)])
    result = client.infer(MODEL, given(TEXTS), request_compression_algorithm="gzip", response_compression_algorithm="gzip")
    assert check(result, TEXTS) == lists


def outputs_are_chosen(client):
    outputs = [triton.InferRequestedOutput("label"), triton.InferRequestedOutput("start", binary_data=False)]
    answer = client.infer(MODEL, given(TEXTS), outputs=outputs)
    assert [tensor["name"] for tensor in answer.get_response()["outputs"]] == ["label", "start"]
    assert answer.as_numpy("end") is None


def parameters_are_heard(client):
    def utf16(text, start, end):
        return text.encode("utf-16-le")[2 * start : 2 * end].decode("utf-16-le")

    check(client.infer(MODEL, given(TEXTS), parameters={"offsets": "utf16"}), TEXTS, utf16)
    check(client.infer(MODEL, given(TEXTS), parameters={"offsets": "byte"}), TEXTS,
          lambda text, start, end: text.encode()[start:end].decode())
    some = check(client.infer(MODEL, given(TEXTS), parameters={"labels": "PLACE,UNIT", "min_score": 0.5}), TEXTS)
    assert {mention["label"] for mentions in some for mention in mentions} == {"PLACE", "UNIT"}


def nothing_is_no_error(client):
    for texts in ([""], ["Nothing of note."]):
        result = client.infer(MODEL, given(texts))
        assert result.as_numpy("mentions").tolist() == [b"[]"] and result.as_numpy("start").shape == (0,)


def what_is_wrong_is_said(client):
    wrong_name = triton.InferInput("TEXT", [1], "BYTES")
    wrong_name.set_data_from_numpy(np.array([b"x"], dtype=object))
    wrong_type = triton.InferInput("text", [1], "INT32")
    wrong_type.set_data_from_numpy(np.array([1], dtype=np.int32))
    broken = triton.InferInput("text", [1], "BYTES")
    broken.set_data_from_numpy(np.array([b"\xff"], dtype=object))
    for model, inputs, more, status, says in [
        ("other", given(["x"]), {}, "404", "there is no model"),
        (MODEL, [wrong_name], {}, "422", "no input"),
        (MODEL, [wrong_type], {}, "422", "BYTES"),
        (MODEL, [broken], {}, "400", "UTF-8"),
        (MODEL, given(["x"]), {"outputs": [triton.InferRequestedOutput("logits")]}, "422", "no output"),
        (MODEL, given(["x"]), {"outputs": [triton.InferRequestedOutput("label", class_count=2)]}, "422", "classification"),
        (MODEL, given(["x"]), {"parameters": {"offsetz": "byte"}}, "422", "offsets"),
        (MODEL, given(["x"]), {"sequence_id": 7}, "422", "sequence_"),
    ]:
        try:
            client.infer(model, inputs, **more)
        except InferenceServerException as error:
            assert error.status() == status and says in error.message(), error
        else:
            raise AssertionError(f"{says}: was answered")


def keys_are_wanted(address, key):
    client = triton.InferenceServerClient(address)
    assert client.is_server_live() and client.is_server_ready()
    try:
        client.get_model_metadata(MODEL)
    except InferenceServerException as error:
        assert error.status() == "401" and "API key" in error.message(), error
    else:
        raise AssertionError("a client without a key was let in")
    assert client.get_model_metadata(MODEL, headers={"Authorization": f"Bearer {key}"})["name"] == MODEL


async def the_client_for_asyncio(address, key):
    async with triton_aio.InferenceServerClient(address) as client:
        result = await client.infer(MODEL, given(TEXTS), headers={"Authorization": f"Bearer {key}"})
        check(result, TEXTS)


def main(url, key):
    address = urlsplit(url).netloc
    client = triton.InferenceServerClient(address)
    client.register_plugin(BasicAuth("anyone", key))
    health_and_metadata(client)
    every_way_says_the_same(client)
    outputs_are_chosen(client)
    parameters_are_heard(client)
    nothing_is_no_error(client)
    what_is_wrong_is_said(client)
    keys_are_wanted(address, key)
    asyncio.run(the_client_for_asyncio(address, key))


main(*sys.argv[1:])
