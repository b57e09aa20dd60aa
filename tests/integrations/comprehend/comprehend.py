"""Amazon's own Python client against a running `dateline serve`: comprehend.py BASE_URL KEY.

The client is used as its documentation says: an endpoint, a region and credentials whose access key id is the key of
the service. Every entity has to be a slice of its text as Python counts, and errors have to be those that the client
has classes for.
"""

import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

TEXTS = [
    "Gen. Oleksandr Syrskyi said the 93rd Mechanized Brigade held Bakhmut with HIMARS.",
    "🚀🇺🇦 In Bakhmut 👩‍🚒 the 93rd Mechanized Brigade fired HIMARS at Donetsk. 🔥",
    "President Emmanuel Macron and Jose\u0301 Ángel Gurría met in Kyiv — “at last”.",
    "KYIV —\tVolodymyr Zelensky spoke.\r\n\r\nLeopard 2 tanks arrived in Lviv.",
    "قال في Kyiv إن \U00010330 Kharkiv\x00 صامدة.",
]
TYPES = {"PERSON", "LOCATION", "ORGANIZATION", "COMMERCIAL_ITEM"}


def client(endpoint, key):
    return boto3.client(
        "comprehend",
        endpoint_url=endpoint,
        region_name="eu-west-1",
        aws_access_key_id=key,
        aws_secret_access_key="not looked at",
        config=Config(retries={"max_attempts": 1}, proxies={}),
    )


def entities_are_slices(comprehend):
    batch = comprehend.batch_detect_entities(TextList=TEXTS, LanguageCode="en")
    assert batch["ErrorList"] == [] and [result["Index"] for result in batch["ResultList"]] == list(range(len(TEXTS)))
    for text, result in zip(TEXTS, batch["ResultList"], strict=True):
        answer = comprehend.detect_entities(Text=text, LanguageCode="en")
        assert answer["ResponseMetadata"]["RequestId"], answer
        assert answer["Entities"] == result["Entities"], text
        assert answer["Entities"], f"nothing was found: {text}"
        for entity in answer["Entities"]:
            assert text[entity["BeginOffset"] : entity["EndOffset"]] == entity["Text"], entity
            assert entity["Type"] in TYPES and 0 < entity["Score"] <= 1, entity
    first = comprehend.detect_entities(Text=TEXTS[0], LanguageCode="en")["Entities"]
    assert [(entity["Type"], entity["Text"]) for entity in first] == [
        ("PERSON", "Oleksandr Syrskyi"),
        ("ORGANIZATION", "93rd Mechanized Brigade"),
        ("LOCATION", "Bakhmut"),
        ("COMMERCIAL_ITEM", "HIMARS"),
    ], first


def refused(name, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == name, error
        assert type(error).__name__ in (name, "ClientError"), type(error)
        return error
    raise AssertionError(f"not refused with {name}")


def errors_are_amazons(endpoint, comprehend):
    one, many = comprehend.detect_entities, comprehend.batch_detect_entities
    exceptions = comprehend.exceptions
    assert isinstance(
        refused("TextSizeLimitExceededException", one, Text="é" * 50_001, LanguageCode="en"),
        exceptions.TextSizeLimitExceededException,
    )
    assert one(Text="é" * 50_000, LanguageCode="en")["ResponseMetadata"]["HTTPStatusCode"] == 200
    refused("UnsupportedLanguageException", one, Text="Kyiv", LanguageCode="de")
    refused("InvalidRequestException", one, Text="Kyiv", LanguageCode="english")
    refused("InvalidRequestException", one, Bytes=b"%PDF-1.4", LanguageCode="en")
    refused("BatchSizeLimitExceededException", many, TextList=["Kyiv"] * 26, LanguageCode="en")
    assert len(many(TextList=["Kyiv"] * 25, LanguageCode="en")["ResultList"]) == 25
    refused("UnknownOperationException", comprehend.detect_sentiment, Text="Kyiv", LanguageCode="en")
    partial = many(TextList=["a" * 5_001, "Shells fell on Kherson."], LanguageCode="en")
    [error] = partial["ErrorList"]
    assert (error["Index"], error["ErrorCode"]) == (0, "TEXT_SIZE_LIMIT_EXCEEDED"), error
    [result] = partial["ResultList"]
    assert result["Index"] == 1 and result["Entities"], result
    refused("UnrecognizedClientException", client(endpoint, "dl_wrong").detect_entities, Text="Kyiv", LanguageCode="en")


def main():
    base, key = sys.argv[1:]
    # The path of an endpoint is kept; without one the client asks for `/`.
    for endpoint in [base, f"{base}/integrations/comprehend", f"{base}/integrations/comprehend/"]:
        comprehend = client(endpoint, key)
        entities_are_slices(comprehend)
        errors_are_amazons(endpoint, comprehend)


main()
