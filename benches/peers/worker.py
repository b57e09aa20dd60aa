"""The worker of the engines of Python. worker/src/worker.rs has the protocol, and is the worker of those of Rust."""

import argparse
import json
import os
import queue
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np

from engines import ENGINES
from export import read_windows

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Worker:
    def __init__(self, engine, windows, cores):
        self.engine, self.windows, self.cores = engine, windows, cores
        self.encoders = {}

    def ready(self, streams):
        if streams not in self.encoders:
            self.encoders[streams] = self.engine.encoders(streams, max(1, self.cores // streams))
        return self.encoders[streams]

    def encode(self, windows, batch, streams):
        encoders = self.ready(streams)
        texts = [self.windows[index] for index in windows]
        chunks = [texts[start : start + batch] for start in range(0, len(texts), batch)]
        batches = [self.engine.prepare(chunk) for chunk in chunks]
        outputs = [None] * len(batches)
        if streams == 1:
            with self.engine.context():
                encoders[0](batches[-1])
                start = time.perf_counter()
                for index, each in enumerate(batches):
                    outputs[index] = encoders[0](each)
                seconds = time.perf_counter() - start
        else:
            seconds = self.side_by_side(encoders, batches, outputs)
        tags = []
        for chunk, logits in zip(chunks, outputs):
            best = np.asarray(logits).argmax(axis=-1)
            tags += ["".join(DIGITS[tag] for tag in row[: len(text["ids"])]) for text, row in zip(chunk, best)]
        return {"seconds": seconds, "tokens": sum(len(text["ids"]) for text in texts), "tags": tags}

    def side_by_side(self, encoders, batches, outputs):
        """Each encoder in a thread of its own takes the next batch until there is none. The clock starts when all have
        made a first pass."""
        waiting = queue.SimpleQueue()
        for item in enumerate(batches):
            waiting.put(item)
        begin = threading.Barrier(len(encoders) + 1)
        failures = []

        def drain(encode):
            try:
                with self.engine.context():
                    encode(batches[-1])
                    begin.wait()
                    while True:
                        try:
                            index, batch = waiting.get_nowait()
                        except queue.Empty:
                            return
                        outputs[index] = encode(batch)
            except Exception as failure:  # It is raised where it can be seen.
                failures.append(failure)
                begin.abort()

        threads = [threading.Thread(target=drain, args=[encode]) for encode in encoders]
        for thread in threads:
            thread.start()
        try:
            begin.wait()
        except threading.BrokenBarrierError:
            pass
        start = time.perf_counter()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - start
        if failures:
            raise failures[0]
        return seconds

    def repeat(self, window, times):
        encode = self.ready(1)[0]
        batch = self.engine.prepare([self.windows[window]])
        milliseconds = []
        with self.engine.context():
            for _ in range(3):
                encode(batch)
            for _ in range(times):
                start = time.perf_counter()
                encode(batch)
                milliseconds.append((time.perf_counter() - start) * 1e3)
        return {"milliseconds": milliseconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", choices=ENGINES, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="what export.py wrote")
    parser.add_argument("--model", type=Path, required=True, help="the folder of the model")
    parser.add_argument("--tokens", type=Path, required=True, help="what `dateline-peer tokens` wrote")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    # Some engines print: what they say must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(what):
        answers.write(json.dumps(what) + "\n")
        answers.flush()

    engine = ENGINES[args.engine](args.folder, args.model)
    worker = Worker(engine, read_windows(args.tokens), args.threads)
    worker.ready(1)
    streams = [1, args.threads] if engine.streams and args.threads > 1 else [1]
    say({"ready": engine.version(), "streams": streams, "per_shape": engine.per_shape})
    asks = {"encode": worker.encode, "repeat": worker.repeat}
    for line in sys.stdin:
        ask = json.loads(line)
        say(asks[ask.pop("do")](**ask))


if __name__ == "__main__":
    main()
