"""The S3 server, the binary and the archives of the scenarios.

The server is moto's, with its checks of signatures switched on. Another one is taken if
STORE_ENDPOINT names it, with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION for it.
"""

import gzip
import io
import json
import logging
import os
import subprocess
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
from botocore.config import Config
from moto import settings
from moto.server import ThreadedMotoServer
from proxy import Proxy

ROOT = Path(__file__).resolve().parents[2]
DATELINE = Path(os.environ["DATELINE"]).resolve()
# Weights by chance: what it finds is noise, and it finds it at once.
MODEL = ROOT / "crates/model/tests/fixtures/parity/bert-casing"
REGION = os.environ.get("AWS_REGION", "eu-central-1")
# No scenario takes nearly so long, in seconds.
LIMIT = 300


@dataclass
class Finished:
    """How a run of the binary ended."""

    code: int
    out: str
    said: str

    def ok(self):
        return self.with_code(0)

    def with_code(self, code):
        assert self.code == code, f"ended with {self.code} and not {code}:\n{self.out}{self.said}"
        return self

    def report(self):
        """What `--progress json` says at the end."""
        return json.loads(self.out)

    def says(self, *words):
        for word in words:
            assert word in self.said, f"no {word!r} in what it said:\n{self.said}"
        return self


@dataclass
class Store:
    """A server with a proxy before it, and a bucket of its own for each scenario."""

    endpoint: str
    key: str
    secret: str
    proxy: Proxy = field(init=False)
    buckets: list = field(default_factory=list)

    def __post_init__(self):
        self.proxy = Proxy(self.endpoint)
        # Past the proxy: what a scenario prepares and looks at is not counted and not spoilt.
        self.client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            region_name=REGION,
            config=Config(s3={"addressing_style": "path"}),
        )

    def bucket(self):
        name = f"dateline-{uuid.uuid4().hex[:12]}"
        where = {} if REGION == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": REGION}}
        self.client.create_bucket(Bucket=name, **where)
        self.buckets.append(name)
        self.proxy.well()
        return name

    def put(self, bucket, key, body):
        self.client.put_object(Bucket=bucket, Key=key, Body=body)

    def get(self, bucket, key):
        return self.client.get_object(Bucket=bucket, Key=key)["Body"].read()

    def keys(self, bucket, prefix=""):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def remove_buckets(self):
        for bucket in self.buckets:
            for key in self.keys(bucket):
                self.client.delete_object(Bucket=bucket, Key=key)
            self.client.delete_bucket(Bucket=bucket)

    def environment(self, **other):
        """What the binary needs to reach this store by way of the proxy."""
        return {
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.proxy.url,
            **other,
        }


def command(*args):
    return [str(DATELINE), *map(str, args)]


def surroundings(environment):
    """Nothing of the caller's shell counts, credentials least of all."""
    kept = {name: os.environ[name] for name in ("PATH",) if name in os.environ}
    own = {"DATELINE_MODEL": str(MODEL), "HF_HUB_OFFLINE": "1", "HOME": "/nonexistent", "LANG": "C.UTF-8"}
    # A machine's role is asked for on an address that only clouds have.
    return {**kept, **own, "AWS_METADATA_ENDPOINT": "http://127.0.0.1:9", **environment}


def dateline(*args, environment=None, **how):
    """Runs the binary to its end."""
    run = subprocess.run(
        command(*args), env=surroundings(environment or {}), capture_output=True, text=True, timeout=LIMIT, **how
    )
    return Finished(run.returncode, run.stdout, run.stderr)


def start(*args, environment):
    """The binary at work; `end` waits for it."""
    return subprocess.Popen(
        command(*args), env=surroundings(environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def end(process):
    out, said = process.communicate(timeout=LIMIT)
    return Finished(process.returncode, out, said)


def verified(place, environment=None, rows=None, shards=None):
    """Holds `dateline batch verify` to its word: every row is there exactly once."""
    found = dateline("batch", "verify", place, "--progress", "json", environment=environment).ok().report()
    assert found["problems"] == [], found
    assert rows is None or (found["rows"], found["tally"]["rows"]) == (rows, rows), found
    assert shards is None or found["shards"] == shards, found
    return found


def stories(name, count):
    """Stories with an emoji before their names, of several lengths."""
    sentence = "🚀 Report {}: Ilse Brandt left Port Almeda with the 3rd Brigade. "
    return [
        {"id": f"{name}-{row}", "text": sentence.format(row) * (1 + row % 5), "date": "2024-02-17"} for row in range(count)
    ]


def jsonl(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def jsonl_gz(rows):
    return gzip.compress(jsonl(rows))


def parquet(rows, row_group=50):
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer, row_group_size=row_group)
    return buffer.getvalue()


def read_outputs(store, bucket, folder):
    """All rows of all outputs, read by another program than the one that wrote them."""
    rows = []
    for key in store.keys(bucket, f"{folder}/part-"):
        body = store.get(bucket, key)
        if key.endswith(".parquet"):
            rows += pq.read_table(io.BytesIO(body)).to_pylist()
        else:
            rows += [json.loads(line) for line in body.decode().splitlines()]
    return rows


def check_rows(rows, expected):
    """Holds outputs to their inputs: each story is there once, and each mention is a slice of its text."""
    texts = {story["id"]: story["text"] for story in expected}
    assert sorted(row["id"] for row in rows) == sorted(texts), "not every story is there exactly once"
    for row in rows:
        assert row.get("error") is None, row
        for mention in row["mentions"]:
            assert texts[row["id"]][mention["start"] : mention["end"]] == mention["text"], (row["id"], mention)


@contextmanager
def the_store():
    """The server, for as long as it is needed."""
    if "STORE_ENDPOINT" in os.environ:
        store = Store(
            os.environ["STORE_ENDPOINT"], os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
        )
        try:
            yield store
        finally:
            store.remove_buckets()
        return
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        yield Store(endpoint, *user_of_moto(endpoint))
    finally:
        server.stop()


def user_of_moto(endpoint):
    """The key and the secret of a user who may do all in S3; from now on nobody else may do anything."""
    nobody = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing", "region_name": REGION}
    iam = boto3.client("iam", endpoint_url=endpoint, **nobody)
    allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.create_user(UserName="batch")
    iam.put_user_policy(UserName="batch", PolicyName="all", PolicyDocument=json.dumps(allowed))
    key = iam.create_access_key(UserName="batch")["AccessKey"]
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    return key["AccessKeyId"], key["SecretAccessKey"]
