"""`dateline batch` on an S3 server, by way of a proxy that spoils what it is told to: scenarios.py [NAME…].

Each scenario is a function that asserts what it is named for and returns what it measured.
"""

import sys
import threading
import time

import files
import web
from harness import (
    check_rows,
    dateline,
    end,
    jsonl,
    jsonl_gz,
    parquet,
    read_outputs,
    start,
    stories,
    the_store,
    verified,
)
from proxy import Flaky


def archive(store, shards=12, rows=8):
    """A bucket with in/: so many files of so many stories, each of them a shard."""
    bucket = store.bucket()
    all_stories = []
    for number in range(shards):
        own = stories(f"{number:02}", rows)
        all_stories += own
        store.put(bucket, f"in/{number:02}.jsonl.gz", jsonl_gz(own))
    return bucket, all_stories


def every_kind_of_input(store):
    """A file, a prefix and a pattern; Parquet and JSONL in gzip; a rerun asks and does nothing."""
    bucket = store.bucket()
    rows = {"a": stories("a", 120), "b": stories("b", 30), "c": stories("c", 20)}
    store.put(bucket, "in/a.parquet", parquet(rows["a"]))
    store.put(bucket, "in/deep/b.jsonl.gz", jsonl_gz(rows["b"]))
    store.put(bucket, "in/50 % of #1, why?.jsonl", jsonl(rows["c"]))
    store.put(bucket, "in/README", b"none")
    environment = store.environment()
    cases = {
        "in": "abc",
        "in/": "abc",
        "in/a.parquet": "a",
        "in/**/*.jsonl.gz": "b",
        "in/50 %25 of %231, why%3F.jsonl": "c",
    }
    for number, (name, expected) in enumerate(cases.items()):
        for form in ("parquet", "jsonl"):
            place = f"s3://{bucket}/out-{number}-{form}"
            run = ["batch", f"s3://{bucket}/{name}", "--output", place, "--format", form, "--progress", "json"]
            report = dateline(*run, environment=environment).ok().report()
            expected_rows = [row for letter in expected for row in rows[letter]]
            assert (report["documents"], report["complete"]) == (len(expected_rows), True), report
            check_rows(read_outputs(store, bucket, f"out-{number}-{form}"), expected_rows)
            verified(place, environment, rows=len(expected_rows))
            assert f"out-{number}-{form}/_SUCCESS" in store.keys(bucket)

            store.proxy.well()
            again = dateline(*run, environment=environment).ok().report()
            assert (again["documents"], again["skipped"]) == (0, again["shards"]), again
            assert not store.proxy.outputs_put(), "a rerun writes no output"
    return f"{2 * len(cases)} batches, each with a rerun of {store.proxy.all_asked()} requests"


def create_if_absent_is_refused(store):
    """A store that does not know conditions: that is said once, and no output is written twice."""
    bucket, rows = archive(store)
    store.proxy.refuses_conditions = True
    place = f"s3://{bucket}/out"
    run = ["batch", f"s3://{bucket}/in", "--output", place]
    finished = dateline(*run, environment=store.environment()).ok()
    assert finished.said.count("does not know how to create a file only if there is none") == 1, finished.said
    put = store.proxy.outputs_put()
    assert len(put) == 12 and set(put.values()) == {1}, put
    refused = sum(n for (method, _), n in store.proxy.asked.items() if method == "PUT") - len(put)
    verified(place, store.environment(), rows=len(rows), shards=12)
    dateline(*run, environment=store.environment()).ok()
    assert store.proxy.outputs_put() == put, "a rerun writes no output"
    return f"12 outputs, each put once; {refused} other PUTs (refusals, plan, manifest, _SUCCESS); said: {finished.said!r}"


def a_flaky_connection(store):
    """Resets, halves of answers, 500 and 503: one run gets through, and every row is there once."""
    found = []
    for share, seed in ((0.05, 1), (0.1, 2), (0.2, 3)):
        bucket, rows = archive(store, shards=24)
        store.put(bucket, "in/z.parquet", parquet(stories("z", 200)))
        store.proxy.flaky = flaky = Flaky(share, seed)
        place = f"s3://{bucket}/out"
        begun = time.monotonic()
        run = ["batch", f"s3://{bucket}/in", "--output", place, "--progress", "json"]
        report = dateline(*run, environment=store.environment()).ok().report()
        took = time.monotonic() - begun
        asked, spoilt = store.proxy.all_asked(), dict(sorted(flaky.done.items()))
        store.proxy.flaky = None
        verified(place, store.environment(), rows=len(rows) + 200)
        check_rows(read_outputs(store, bucket, "out"), rows + stories("z", 200))
        found.append(f"{share:.0%} of requests spoilt: {asked} requests, {spoilt}, {took:.1f} s, {report['shards']} shards")
    return "\n    ".join(found)


def an_answer_that_never_comes(store):
    """The client gives up on a PUT that the server has done, asks again, and finds its own object."""
    bucket, rows = archive(store, shards=4)
    held = set()

    def holds(request):
        first = request.is_output() and request.key not in held
        held.update([request.key] if first else [])
        return first

    store.proxy.holds = holds
    place = f"s3://{bucket}/out"
    environment = store.environment(AWS_TIMEOUT="2s")
    run = ["batch", f"s3://{bucket}/in", "--output", place, "--progress", "json"]
    report = dateline(*run, environment=environment).ok().report()
    put = store.proxy.outputs_put()
    assert len(held) == 4 and set(put.values()) == {1}, (held, put)
    assert report["complete"], report
    verified(place, store.environment(), rows=len(rows), shards=4)
    return f"4 answers held, 4 outputs put once; committed {report['committed']}, done_twice {report['done_twice']}"


def two_at_once(store):
    """Workers 0/2 and 1/2, and then two that both want all of it: no output is put twice."""
    found = []
    for shares in (["--workers", "0/2"], ["--workers", "1/2"]), ([], []):
        bucket, rows = archive(store)
        place = f"s3://{bucket}/out"
        run = ["batch", f"s3://{bucket}/in", "--output", place, "--progress", "json"]
        runs = [start(*run, *share, environment=store.environment()) for share in shares]
        reports = [end(process).ok().report() for process in runs]
        put = store.proxy.outputs_put()
        assert len(put) == 12 and set(put.values()) == {1}, put
        assert sum(report["committed"] for report in reports) == 12, reports
        dateline(*run, environment=store.environment()).ok()
        verified(place, store.environment(), rows=len(rows), shards=12)
        check_rows(read_outputs(store, bucket, "out"), rows)
        numbers = [{name: report[name] for name in ("committed", "skipped", "done_twice")} for report in reports]
        found.append(f"{' and '.join(' '.join(share) or 'all' for share in shares)}: {numbers}")
    return "\n    ".join(found)


def killed_in_the_middle(store):
    """kill -9 while an output is on its way and right after it arrived; the reruns put nothing twice."""
    bucket, rows = archive(store)
    place = f"s3://{bucket}/out"
    run = ["batch", f"s3://{bucket}/in", "--output", place, "--progress", "json"]
    put = {}
    kills = 0
    for moment in ("before", "after", "before", "after", "after"):
        store.proxy.well()
        killing = threading.Event()
        process = None
        begun = threading.Event()

        def kill(request, moment=moment, killing=killing, begun=begun):
            if request.is_output() and not killing.is_set():
                killing.set()
                begun.wait()
                process.kill()
                process.wait()

        setattr(store.proxy, moment, kill)
        process = start(*run, environment=store.environment())
        begun.set()
        assert end(process).code == -9, "it was not killed"
        kills += 1
        for key, times in store.proxy.outputs_put().items():
            put[key] = put.get(key, 0) + times
    store.proxy.well()
    report = dateline(*run, environment=store.environment()).ok().report()
    for key, times in store.proxy.outputs_put().items():
        put[key] = put.get(key, 0) + times
    assert len(put) == 12 and set(put.values()) == {1}, put
    verified(place, store.environment(), rows=len(rows), shards=12)
    check_rows(read_outputs(store, bucket, "out"), rows)
    return f"{kills} kills; the last run skipped {report['skipped']} and committed {report['committed']} of 12"


def what_a_person_is_told(store):
    """Wrong credentials, missing buckets, nothing there: the message names the place and what to set."""
    bucket, _ = archive(store, shards=1)
    source, place = f"s3://{bucket}/in", f"s3://{bucket}/out"
    good = store.environment()
    variables = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    without = {name: value for name, value in good.items() if name not in variables}
    # What is wrong, the input, the output, the environment, the exit code, and what has to be said.
    cases = [
        ("wrong secret", source, place, {**good, "AWS_SECRET_ACCESS_KEY": "wrong"}, (source, *variables)),
        ("wrong key", source, place, {**good, "AWS_ACCESS_KEY_ID": "AKIAWRONG"}, (source, *variables)),
        ("no credentials", source, place, without, (source, *variables)),
        ("no such bucket to read", "s3://gone/in", place, good, ("s3://gone/in", "no such")),
        ("no such bucket to write", source, "s3://gone/out", good, ("s3://gone/out", "no such")),
        ("nothing below the prefix", f"s3://{bucket}/on", place, good, (f"s3://{bucket}/on", "there is no file")),
        ("nothing that matches", f"{source}/*.csv", place, good, (f"no file matches {source}/*.csv",)),
    ]
    found = []
    for what, read, write, environment, words in cases:
        begun = time.monotonic()
        finished = dateline("batch", read, "--output", write, environment=environment)
        assert finished.code in (1, 2), finished
        finished.says(*words)
        found.append(f"{what}, after {time.monotonic() - begun:.1f} s, exit code {finished.code}:\n      {finished.said.strip()}")
    assert not [key for key in store.keys(bucket) if key.startswith("out/part-")]
    return "\n    ".join(found)


def an_input_that_changes(store):
    """A file that is replaced after the plan was made is not mixed with the old one; a rerun takes the new one."""
    bucket, rows = archive(store, shards=3)
    changed = stories("new", 9)
    place = f"s3://{bucket}/out"

    def replace(request):
        if request.method == "PUT" and "/_plan/" in request.key:
            store.proxy.before = lambda request: None
            store.put(bucket, "in/01.jsonl.gz", jsonl_gz(changed))

    store.proxy.before = replace
    run = ["batch", f"s3://{bucket}/in", "--output", place]
    finished = dateline(*run, environment=store.environment()).with_code(1)
    finished.says(f"s3://{bucket}/in/01.jsonl.gz changed after the plan was made", "1 shards could not be read")
    assert len(store.proxy.outputs_put()) == 2
    expected = [row for row in rows if not row["id"].startswith("01-")] + changed
    again = dateline(*run, "--progress", "json", environment=store.environment()).ok().report()
    assert (again["committed"], again["skipped"]) == (1, 2), again
    verified(place, store.environment(), rows=len(expected), shards=3)
    check_rows(read_outputs(store, bucket, "out"), expected)
    return finished.said.strip()


def from_a_web_server(store):
    """http:// as an input, S3 as the output; a server that gives no ranges is named."""
    bucket = store.bucket()
    place = f"s3://{bucket}/out"
    content = {"/a b.parquet": parquet(stories("a", 60)), "/c.jsonl.gz": jsonl_gz(stories("c", 10))}
    expected = stories("a", 60) + stories("c", 10)
    with web.serving(content) as url:
        run = ["batch", f"{url}/a%20b.parquet", f"{url}/c.jsonl.gz", "--output", place]
        dateline(*run, environment=store.environment()).ok()
        verified(place, store.environment(), rows=len(expected))
        check_rows(read_outputs(store, bucket, "out"), expected)
        missing = dateline("batch", f"{url}/gone.jsonl", "--output", place, environment=store.environment())
        missing.with_code(1).says(f"{url}/gone.jsonl", "there is no such file")
        listed = dateline("batch", f"{url}/", "--output", place, environment=store.environment())
        listed.with_code(2).says("cannot be listed")
    with web.serving(content, ranges=False) as url:
        whole = dateline("batch", f"{url}/c.jsonl.gz", "--output", place, environment=store.environment())
        whole.with_code(2).says(f"{url}/c.jsonl.gz", "Range request not supported")
    return whole.said.strip()


SCENARIOS = [
    every_kind_of_input,
    create_if_absent_is_refused,
    a_flaky_connection,
    an_answer_that_never_comes,
    two_at_once,
    killed_in_the_middle,
    what_a_person_is_told,
    an_input_that_changes,
    from_a_web_server,
    files.cut_in_half,
    files.a_full_disk,
    files.a_folder_without_permission,
]


def main(names):
    chosen = [scenario for scenario in SCENARIOS if not names or scenario.__name__ in names]
    assert len(chosen) == len(names or SCENARIOS), f"there are {', '.join(s.__name__ for s in SCENARIOS)}"
    with the_store() as store:
        for scenario in chosen:
            begun = time.monotonic()
            said = scenario(store)
            print(f"{scenario.__name__} ({time.monotonic() - begun:.1f} s): ok\n    {said}", flush=True)


main(sys.argv[1:])
