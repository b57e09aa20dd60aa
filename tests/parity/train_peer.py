#!/usr/bin/env python3
"""The peer of our trainer: the same fine-tuning in plain PyTorch, timed.

It does what a reader would write with `transformers` and no further tricks: BERT with a token
classification head, AdamW with two learning rates, linear warm-up and decay, batches of texts
of like length, clipping, dropout. The figure that counts is the last line, real tokens (special
ones included, padding not) a second once the first steps are past. It trains in f32 and on the
processor, and it keeps nothing.

    python tests/parity/train_peer.py --base BASE --train train.jsonl --steps 100 --threads 2

BASE is a folder with config.json, tokenizer.json and model.safetensors. Each line of the corpus
is {"text", "spans": [{"start", "end", "label"}]}, in code points, the end exclusive.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
from tokenizers import Tokenizer
from transformers import BertForTokenClassification
from transformers.utils import logging

WARM_UP_STEPS = 5  # not timed
IGNORE = -100  # the label that the loss passes over


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time a plain PyTorch fine-tuning.")
    parser.add_argument("--base", type=Path, required=True, help="folder of the base model")
    parser.add_argument("--train", type=Path, required=True, help="JSONL corpus")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--threads", type=int, default=0, help="0: leave it to PyTorch")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--batch", type=int, default=24, help="texts in a batch")
    parser.add_argument("--max-length", type=int, default=256, help="tokens in a text at most")
    parser.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa")
    args = parser.parse_args()
    if args.steps <= WARM_UP_STEPS:
        parser.error(f"--steps has to exceed the {WARM_UP_STEPS} steps that are not timed")
    return args


def read_corpus(path: Path, tokenizer: Tokenizer) -> tuple[list, list[str]]:
    """The texts as (ids, labels) pairs, and the names of the labels."""
    with path.open(encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines if line.strip()]
    types = sorted({span["label"] for r in records for span in r["spans"]})
    names = ["O"] + [f"{prefix}-{t}" for t in types for prefix in "BI"]
    index = {name: i for i, name in enumerate(names)}
    examples = []
    for record, encoding in zip(records, tokenizer.encode_batch([r["text"] for r in records])):
        labels = [IGNORE if special else 0 for special in encoding.special_tokens_mask]
        for span in record["spans"]:
            prefix = "B"
            for i, (start, end) in enumerate(encoding.offsets):
                if labels[i] != IGNORE and start < span["end"] and end > span["start"]:
                    labels[i] = index[f"{prefix}-{span['label']}"]
                    prefix = "I"
        examples.append((encoding.ids, labels))
    return examples, names


def batches(examples: list, size: int, rng: random.Random):
    """Endless batches of texts of like length: a shuffle, sorted within pools of fifty batches."""
    while True:
        order = rng.sample(range(len(examples)), len(examples))
        epoch = []
        for at in range(0, len(order), size * 50):
            pool = sorted(order[at : at + size * 50], key=lambda i: len(examples[i][0]))
            epoch += [pool[i : i + size] for i in range(0, len(pool), size)]
        rng.shuffle(epoch)
        for batch in epoch:
            yield [examples[i] for i in batch]


def tensors(batch: list, pad: int) -> dict[str, torch.Tensor]:
    width = max(len(ids) for ids, _ in batch)
    ids = torch.full((len(batch), width), pad)
    labels = torch.full((len(batch), width), IGNORE)
    mask = torch.zeros((len(batch), width), dtype=torch.long)
    for row, (text_ids, text_labels) in enumerate(batch):
        ids[row, : len(text_ids)] = torch.tensor(text_ids)
        labels[row, : len(text_ids)] = torch.tensor(text_labels)
        mask[row, : len(text_ids)] = 1
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def optimizer_of(model: torch.nn.Module) -> torch.optim.AdamW:
    """2e-4 for the encoder, 1e-3 for the head; no decay of biases and layer norms."""
    groups = []
    for head, rate in ((False, 2e-4), (True, 1e-3)):
        for decay in (0.01, 0.0):
            chosen = [
                p
                for n, p in model.named_parameters()
                if n.startswith("classifier") == head and (p.dim() > 1) == (decay > 0)
            ]
            groups.append({"params": chosen, "lr": rate, "weight_decay": decay})
    return torch.optim.AdamW(groups)


def main() -> None:
    args = arguments()
    logging.disable_progress_bar()
    logging.set_verbosity_error()  # the new head is announced as missing weights otherwise
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)

    tokenizer = Tokenizer.from_file(str(args.base / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(args.max_length)
    examples, names = read_corpus(args.train, tokenizer)
    model = BertForTokenClassification.from_pretrained(
        args.base,
        num_labels=len(names),
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
        hidden_dropout_prob=0.1,
        attention_probs_dropout_prob=0.1,
        attn_implementation=args.attention,
        dtype=torch.float32,
    ).train()

    optimizer = optimizer_of(model)
    rise = max(1, args.steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / rise, (args.steps - step) / max(1, args.steps - rise), 1.0),
    )

    stream = batches(examples, args.batch, rng)
    real = padded = 0
    started, started_cpu = time.perf_counter(), time.process_time()
    for step in range(args.steps):
        if step == WARM_UP_STEPS:
            real = padded = 0
            started, started_cpu = time.perf_counter(), time.process_time()
        batch = tensors(next(stream), model.config.pad_token_id)
        loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        real += int(batch["attention_mask"].sum())
        padded += batch["attention_mask"].numel()
        if (step + 1) % 10 == 0:
            print(f"step {step + 1:5}  loss {loss.item():.4f}", flush=True)
    seconds = time.perf_counter() - started
    threads = torch.get_num_threads()
    busy = (time.process_time() - started_cpu) / (seconds * threads)

    # Threads that get much less than all of their time were competing with something else: the
    # figure then says more about the machine than about PyTorch, and is to be taken again.
    print(
        f"torch {torch.__version__}, {threads} threads {busy:.0%} busy, {args.attention} attention, "
        f"{args.steps - WARM_UP_STEPS} steps of up to {args.batch} texts in {seconds:.1f} s, "
        f"{1 - real / padded:.1%} padding"
    )
    print(f"{real / seconds:.0f} real tokens a second")


if __name__ == "__main__":
    main()
