"""Scenarios of damaged files, full disks and folders of others: what was committed stays, and the message says where."""

import json
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from harness import LIMIT, MODEL, command, dateline, jsonl, jsonl_gz, parquet, stories, surroundings, verified

# A user of no rights, for when the scenarios are run by one of all rights.
NOBODY = 65534
# Runs out of room, gets more, goes on. In a name space of its own, so that a disk of any size can be had by any user.
ON_A_SMALL_DISK = """
set -u
cd "$1"
shift
mount -t tmpfs -o size=192k,mode=755 tmpfs disk
"$@" --progress never >full.out 2>full.said
echo $? >full.code
ls disk | grep -c ^part- >kept
ls -A disk | grep -c ^[.] >aside
mount -o remount,size=16m disk
"$@" --progress json >again.json 2>again.said
"$1" batch verify disk --progress json >verified.json
"""


@contextmanager
def folder():
    """An empty folder that everybody may look into."""
    with tempfile.TemporaryDirectory() as path:
        os.chmod(path, 0o755)
        yield Path(path)


def cut_in_half(store):
    """Half a Parquet file, half a gzip stream, and a page overwritten: file, row group and byte are named."""
    bucket = store.bucket()
    environment = store.environment()
    whole = parquet(stories("a", 300), row_group=100)
    spoilt = bytearray(whole)
    # Past the first row group, which has to be readable, and well before the footer.
    middle = len(whole) // 2
    spoilt[middle : middle + 200] = bytes(200)
    compressed = jsonl_gz(stories("b", 300))
    said = []
    for name, body, words in (
        ("half.parquet", whole[: len(whole) // 2], ["is cut off or is no Parquet file"]),
        ("half.jsonl.gz", compressed[: len(compressed) // 2], ["the .gz stream is damaged or cut off after"]),
        ("spoilt.parquet", bytes(spoilt), ["row group "]),
    ):
        with folder() as path:
            (path / name).write_bytes(body)
            on_disk = dateline("batch", path / name, "--output", path / "out")
            assert on_disk.code in (1, 2), on_disk
            on_disk.says(str(path / name), *words)
        store.put(bucket, name, body)
        place = f"s3://{bucket}/{name}"
        in_store = dateline("batch", place, "--output", f"s3://{bucket}/out-{name}", environment=environment)
        assert in_store.code == on_disk.code, in_store
        in_store.says(place, *words)
        said.append(f"exit code {in_store.code}: {in_store.said.strip()}")
    # A good file beside a cut one is not annotated unless the cut one is left out: nothing is lost unseen.
    return "\n    ".join(said)


def a_full_disk(_):
    """The disk is full in the middle: what is committed stays, and with more room the same command goes on."""
    with folder() as path:
        for number in range(24):
            (path / "in").mkdir(exist_ok=True)
            (path / "in" / f"{number:02}.jsonl").write_bytes(jsonl(stories(f"{number:02}", 40)))
        (path / "disk").mkdir()
        run = command("batch", "in", "--output", "disk", "--include-text", "--format", "jsonl")
        script = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", ON_A_SMALL_DISK, "sh", str(path), *run]
        ran = subprocess.run(script, env=surroundings({}), capture_output=True, text=True, timeout=LIMIT)
        said = (path / "full.said").read_text() if (path / "full.said").exists() else ran.stderr
        kept = int((path / "kept").read_text())
        assert (path / "full.code").read_text().strip() == "1", said
        assert "the disk is full: make room" in said and str(path / "disk") in said, said
        assert 0 < kept < 24 and (path / "aside").read_text().strip() == "0", (kept, said)
        again = json.loads((path / "again.json").read_text())
        assert (again["skipped"], again["complete"]) == (kept, True), again
        found = json.loads((path / "verified.json").read_text())
        assert (found["problems"], found["rows"]) == ([], 24 * 40), found
        return f"{kept} of 24 outputs fit; the rerun skipped {again['skipped']}; said: {said.strip()}"


def a_folder_without_permission(_):
    """An output folder in which this user may not write, and an input that this user may not read."""
    with folder() as path:
        (path / "a.jsonl").write_bytes(jsonl(stories("a", 5)))
        (path / "closed").mkdir(mode=0o555)
        shutil.copy(path / "a.jsonl", path / "secret.jsonl")
        (path / "secret.jsonl").chmod(0)
        # For the one of all rights there are no closed folders.
        someone = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        said = []
        for read, write, word in (
            ("a.jsonl", "closed", path / "closed"),
            ("a.jsonl", "closed/new", path / "closed/new"),
            ("secret.jsonl", "out", path / "secret.jsonl"),
        ):
            (path / "out").mkdir(exist_ok=True)
            (path / "out").chmod(0o777)
            finished = dateline("batch", path / read, "--output", path / write, **someone)
            assert finished.code in (1, 2), finished
            finished.says(str(word), "no permission")
            said.append(f"exit code {finished.code}: {finished.said.strip()}")
        # One that somebody else may read, whatever the rights of this checkout are.
        model = path / "model"
        model.mkdir()
        for file in MODEL.iterdir():
            (model / file.name).write_bytes(file.read_bytes())
        dateline("batch", path / "a.jsonl", "--output", path / "out", "--model", model, **someone).ok()
        verified(path / "out", rows=5)
        return "\n    ".join(said)
