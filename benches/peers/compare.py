"""Measures all engines in turn on the same token ids and the same cores: `make bench-peers`.

A worker process holds each engine. All but the one that is measured are stopped (SIGSTOP), so that none disturbs the
others, not even by waiting. Machines are noisy: what counts are the ratios within a round.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import report

HERE = Path(__file__).parent
# Name: what of it, where, and in which numbers.
RUST = {
    "ours-int8": ("ours", "int8"),
    "ours-f32": ("ours", "f32"),
    "candle-f32": ("candle", "f32"),
    "rten-f32": ("rten", "f32"),
    "rten-int8": ("rten", "int8"),
}
PYTHON = ["ort-f32", "ort-int8", "openvino-f32", "openvino-int8", "ctranslate2-int8", "torch-f32", "torch-compile", "torch-int8"]
# What export.py also makes and engines.py knows, to look into what is best: not part of a normal run.
MORE = ["ort-int8-reduced"]
REFERENCE = "torch-f32"
BATCHES = [1, 4, 8, 16, 32, 64]
# Neighbours in length that stay together in a round, and how many such runs a round has.
RUN, RUNS = 16, 8


class Worker:
    """An engine in a process of its own, on some of the cores. It is stopped but while it answers."""

    def __init__(self, name, args, cores):
        self.name, self.settings = name, {}
        count = str(len(cores))
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": count,
            "MKL_NUM_THREADS": count,
            "RAYON_NUM_THREADS": count,
            "RTEN_NUM_THREADS": count,
            "OPENBLAS_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "HF_HUB_OFFLINE": "1",
            "TORCHINDUCTOR_CACHE_DIR": str(args.folder / "inductor"),
            "TORCHINDUCTOR_COMPILE_THREADS": "1",
        }
        common = ["--tokens", args.tokens, "--threads", count]
        if name in RUST:
            engine, precision = RUST[name]
            model = args.folder / f"{'int8-reduced' if precision == 'int8' else 'f32'}.onnx" if engine == "rten" else args.model
            command = [args.worker, "run", "--engine", engine, "--precision", precision, "--model", model, *common]
        else:
            command = [sys.executable, HERE / "worker.py", "--engine", name, "--folder", args.folder, "--model", args.model, *common]
        pin = ["taskset", "--cpu-list", ",".join(map(str, cores))]
        self.log = open(args.folder / f"{name}.log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [*pin, *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=environment,
            encoding="utf-8",
        )

    def start(self):
        """Waits until it has loaded."""
        hello = self.hear()
        self.version, self.streams, self.per_shape = hello["ready"], hello["streams"], hello["per_shape"]
        self.process.send_signal(signal.SIGSTOP)

    def hear(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.log.seek(0)
            said = self.log.read().strip().splitlines()
            raise RuntimeError(said[-1] if said else f"it ended with {self.process.returncode}")
        return json.loads(line)

    def ask(self, **what):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        answer = self.hear()
        self.process.send_signal(signal.SIGSTOP)
        return answer

    def encode(self, windows, batch, streams):
        return self.ask(do="encode", windows=windows, batch=batch, streams=streams)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


class Windows:
    """Which windows a round takes: runs of neighbours in length, spread over all lengths, so that an engine that pads
    gains from sorting what it would gain in a large job."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as lines:
            read = [json.loads(line) for line in lines]
        self.lengths = [len(window["ids"]) for window in read]
        # The text whose answer somebody waits for: 60 words.
        self.one = min(range(len(read)), key=lambda index: abs(read[index]["words"] - 60))
        self.words = read[self.one]["words"]
        order = sorted(range(len(read)), key=lambda index: -self.lengths[index])
        runs = [order[start : start + RUN] for start in range(0, len(order), RUN)]
        rounds = max(1, len(runs) // RUNS)
        self.rounds = [sum(runs[first::rounds], []) for first in range(rounds)]

    def sorted(self, round):
        """The longest first."""
        return self.rounds[round % len(self.rounds)]

    def mixed(self, round):
        """The same windows as they come."""
        windows = list(self.sorted(round))
        random.Random(round).shuffle(windows)
        return windows


def best_batch(worker, windows):
    """The fastest size of batches and number of streams: sizes are tried from 8 upwards and downwards for as long as it
    gets better. A first pass, which is not counted, warms up."""
    tried = {}
    for streams in worker.streams:
        worker.encode(windows, 8, streams)

        def speed(at):
            key = (BATCHES[at], streams)
            if key not in tried:
                answer = worker.encode(windows, *key)
                tried[key] = answer["tokens"] / answer["seconds"]
            return tried[key]

        for step in (1, -1):
            at = BATCHES.index(8)
            while 0 <= at + step < len(BATCHES) and speed(at + step) > speed(at):
                at += step
    batch, streams = max(tried, key=tried.get)
    return {"batch": batch, "streams": streams}


def measure(args, windows, cores, results):
    """All rounds on these cores; adds to `results`. An engine that does not work here is left out."""
    workers = []
    try:
        for name in args.engines:
            worker = Worker(name, args, cores)
            workers.append(worker)
            try:
                worker.start()
                settle(args, worker, windows)
            except (RuntimeError, OSError) as failure:
                say(f"cores {len(cores)}: {name} is left out: {failure}")
                results["failures"][name] = str(failure)
                workers.pop().close()
                continue
            results["versions"][name] = worker.version
            results["settings"].setdefault(name, {})[len(cores)] = worker.settings
            say(f"cores {len(cores)}: {name} is ready, {worker.settings}")
        for round in range(args.rounds):
            say(f"cores {len(cores)}: round {round + 1} of {args.rounds}")
            # Nobody is always the first, or always behind the same other.
            for worker in random.Random(round).sample(workers, len(workers)):
                one_turn(args, worker, windows, round, results["turns"], len(cores))
    finally:
        for worker in workers:
            worker.close()


def settle(args, worker, windows):
    """Finds the engine's best settings and warms it up."""
    if "batch" in args.modes:
        worker.settings = best_batch(worker, windows.sorted(0))
    rounds = range(min(args.rounds, len(windows.rounds)) if worker.per_shape else 1)
    for round in rounds:
        if "batch" in args.modes and round > 0:
            worker.encode(windows.sorted(round), **worker.settings)
        if "single" in args.modes:
            worker.encode(windows.mixed(round), 1, 1)


def one_turn(args, worker, windows, round, turns, cores):
    """One round of one engine."""
    turn = {"engine": worker.name, "cores": cores, "round": round}
    if "batch" in args.modes:
        order = windows.sorted(round)
        answer = worker.encode(order, **worker.settings)
        tags = dict(zip(order, answer.pop("tags")))
        turns.append({**turn, "mode": "batch", **answer, "tags": tags})
    if "single" in args.modes:
        order = windows.mixed(round)
        answer = worker.encode(order, 1, 1)
        tags = dict(zip(order, answer.pop("tags")))
        turns.append({**turn, "mode": "single", **answer, "tags": tags})
    if "latency" in args.modes and cores == max(args.cores):
        turns.append({**turn, "mode": "latency", **worker.ask(do="repeat", window=windows.one, times=args.times)})


def machine():
    """The processor in a line."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        fields = dict(line.split(":", 1) for line in file.read().split("\n\n")[0].splitlines() if ":" in line)
    fields = {name.strip(): value.strip() for name, value in fields.items()}
    flags = fields.get("flags", fields.get("Features", "")).split()
    known = ["avx2", "fma", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "asimd", "asimddp", "i8mm", "sve"]
    has = " ".join(flag for flag in known if flag in flags)
    family = f"family {fields.get('cpu family', '?')} model {fields.get('model', '?')}"
    return f"{fields.get('model name', 'unknown processor')} ({family}), {has}, {os.cpu_count()} cores"


def say(line):
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def arguments():
    def listed(text):
        return [word for word in text.split(",") if word]

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worker", type=Path, required=True, help="the program dateline-peer")
    parser.add_argument("--folder", type=Path, required=True, help="what export.py wrote")
    parser.add_argument("--model", type=Path, required=True, help="the folder of the model")
    parser.add_argument("--tokens", type=Path, required=True, help="what `dateline-peer tokens` wrote")
    parser.add_argument("--out", type=Path, required=True, help="the folder for peers.md, peers.json and peers.svg")
    parser.add_argument("--engines", type=listed, default=[*RUST, *PYTHON], help="of " + ",".join([*RUST, *PYTHON, *MORE]))
    parser.add_argument("--modes", type=listed, default=["batch", "single", "latency"], help="of batch,single,latency")
    parser.add_argument("--cores", type=listed, default=["1", "2"], help="how many, one after the other")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--times", type=int, default=60, help="passes over the one text in a round")
    args = parser.parse_args()
    args.cores = [int(cores) for cores in args.cores]
    unknown = set(args.engines) - {*RUST, *PYTHON, *MORE} | set(args.modes) - {"batch", "single", "latency"}
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if max(args.cores) > len(os.sched_getaffinity(0)):
        parser.error(f"this machine has {len(os.sched_getaffinity(0))} cores, not {max(args.cores)}")
    return args


def main():
    args = arguments()
    # Stopped workers would outlive a quick death.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    windows = Windows(args.tokens)
    results = {
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "windows": len(windows.lengths),
        "tokens": sum(windows.lengths),
        "words": windows.words,
        "word_tokens": windows.lengths[windows.one],
        "rounds": args.rounds,
        "versions": {},
        "settings": {},
        "failures": {},
        "turns": [],
    }
    every = sorted(os.sched_getaffinity(0))
    for cores in args.cores:
        measure(args, windows, every[:cores], results)
    results["agreement"] = report.agreement(results["turns"], REFERENCE)
    # The tags have served their purpose; they would say much about the texts.
    for turn in results["turns"]:
        turn.pop("tags", None)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "peers.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    table = report.markdown(results)
    (args.out / "peers.md").write_text(table, encoding="utf-8")
    (args.out / "peers.svg").write_text(report.svg(results), encoding="utf-8")
    print(table)
    say(f"written: {args.out}/peers.md, peers.json, peers.svg")


if __name__ == "__main__":
    main()
