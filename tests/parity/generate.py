#!/usr/bin/env python3
"""Write the parity fixtures: tiny random-weight models with the answers of `transformers`.

Each fixture is a folder in Hugging Face layout,

    <name>/config.json  tokenizer.json  model.safetensors  expected.json

in which `expected.json` holds what the reference implementation says about a handful of
awkward texts: the token ids, the byte span of every token, and the logits. Our own encoder
has to reproduce the ids and the spans exactly and the logits to within 1e-4.

The weights mean nothing. They are drawn with a much larger spread than a fresh model has
(standard deviation 0.2, biases and layer-norm parameters included), because with the usual
0.02 almost any mistake in the arithmetic disappears below the tolerance. The sentences that
the vocabularies are built from, and the test texts, were written for this file.

Everything is seeded and the vocabularies are built without hash-order dependence, so with the
versions of `requirements.txt` a second run writes the same vocabularies and weights. The logits
may differ in the last bits on another processor.

    python tests/parity/generate.py                  # into the fixtures folder
    python tests/parity/generate.py --out some/where # elsewhere
    python tests/parity/generate.py --check          # recompute from disk, write nothing
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import unicodedata
from collections import Counter
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoModelForTokenClassification,
    BertConfig,
    DistilBertConfig,
    RobertaConfig,
    XLMRobertaConfig,
)
from transformers.utils import logging

DEFAULT_OUT = Path(__file__).resolve().parents[2] / "crates/model/tests/fixtures/parity"
SEED = 20
LABELS = ["O"] + [f"{p}-{t}" for t in ("PERSON", "PLACE", "UNIT", "WEAPON") for p in "BI"]
POSITIONS = 64  # longest sequence a fixture model can take, special tokens included

# The sentences the toy vocabularies are built from.
SENTENCES = [
    "Colonel Mara Veldt led the 3rd Brigade out of Port Ansel before dawn.",
    "Two battalions of the Orlan Division held the bridge at Dorvan.",
    "The general said that the guns were moved north on Tuesday night.",
    "A drone was seen above the harbour, and then it turned to the east.",
    "Captain Ilse Brandt's company had six tanks and a battery of rockets.",
    "Soldiers of the 7th Guards crossed the river near the old mill.",
    "The minister met the envoy in Kestrel City and spoke for an hour.",
    "Rifles, mortars and mines were found in a barn outside the village.",
    "Nobody in Dorvan had heard from the commander since Monday.",
    "The navy sent two frigates to the strait after the missile was fired.",
    "Sergeant Tomas Reyl carried the radio up the hill for the platoon.",
    "The town of Lower Harrow was shelled again in the morning.",
    "She named the units one by one: infantry, armour, signals, engineers.",
    "They left the trucks at the station and walked to the front.",
    "An officer of the U.S. Army and another from the U.N. came to see the camp.",
    "The regiment lost its colours in 1809 and won them back in 1813.",
    "General Osei told reporters that no shells had landed in the market.",
    "The howitzers of the second battery fired forty rounds before noon.",
    "In the evening the people of Port Ansel lit candles by the water.",
    "The brigade's new commander, Major Lind, was born in San Ruiz.",
    "José and André wrote to the café owner in São Vicente about the rent.",
    "The officers and the other officers were in the other officer's tent.",
    "وصل القائد سالم إلى المدينة",
    "סאלם הגיע אל העיר",
]

# The texts whose tokens and logits are recorded. Escapes are used wherever an editor or a
# terminal might otherwise normalise what stands there.
TEXTS = [
    # possessives, an ordinal, plain prose
    "Colonel Mara Veldt's 3rd Brigade left the Reyls' barn in Port Ansel.",
    # abbreviations with full stops, an apostrophe inside a name
    "The U.S. envoy met Gen. O'Rourke near the N.W. bridge at 06:30.",
    # emoji before a name (one of them joined from three code points), marks decomposed, composed
    "\U0001f680 Andre\u0301 Reyl and Jos\u00e9 \U0001f469\u200d\U0001f680Tama\u0301s in Sa\u0303o",
    # CRLF, a tab, a designation with a hyphen
    "The 7th Guards moved.\r\nTwo T-72B tanks followed.\r\n\tThe end.",
    # Arabic and Hebrew around a Latin name
    "\u0648\u0635\u0644 \u0633\u0627\u0644\u0645 Dorvan, \u05e1\u05d0\u05dc\u05dd \u05d0\u05dc",
    # four-byte letters, ideographs, a capital whose lower case is longer, a ligature, a fraction
    "\U0001d50ae \U00010348 \u674e\u660e in \u0130zmir, \ufb01red \u00bd",
    # upper, mixed, title, lower, alphanumeric, digits
    "McKay and eRiver sent M1A1 and 88mm guns to NATO; A camp, 120 men.",
    # runs of blanks at both ends, a no-break space, a soft hyphen, a zero-width space
    "  Dorvan   Port\u00a0Ansel har\u00adbour Li\u200bnd  ",
    # a long one, about fifty tokens
    "The general said that the battery fired on Dorvan, and then tanks of the Orlan Division "
    "crossed the river to Port Ansel on Monday.",
    # nothing at all
    "",
]
FEW_TEXTS = [TEXTS[i] for i in (0, 2, 8, 9)]


# --------------------------------------------------------------------------- vocabularies


def words_of(tokenizer: Tokenizer) -> Counter:
    """The pre-tokens of SENTENCES, counted, as this tokenizer's own front end cuts them."""
    words: Counter = Counter()
    for sentence in SENTENCES:
        if tokenizer.normalizer is not None:
            sentence = tokenizer.normalizer.normalize_str(sentence)
        words.update(w for w, _ in tokenizer.pre_tokenizer.pre_tokenize_str(sentence))
    return words


def learn_merges(words: Counter, count: int) -> list[tuple[str, str]]:
    """Plain byte-pair learning; ties go to the pair that sorts first.

    The trainers of `tokenizers` walk hash maps and so break ties differently from run to run;
    a few lines of our own keep the fixtures reproducible.
    """
    pieces = {w: list(w) for w in words}
    merges: list[tuple[str, str]] = []
    while len(merges) < count:
        pairs: Counter = Counter()
        for word, parts in pieces.items():
            for pair in zip(parts, parts[1:]):
                pairs[pair] += words[word]
        if not pairs:
            break
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(best)
        for parts in pieces.values():
            i = 0
            while i + 1 < len(parts):
                if (parts[i], parts[i + 1]) == best:
                    parts[i : i + 2] = ["".join(best)]
                i += 1
    return merges


def segments(words: Counter, merges: list[tuple[str, str]]) -> Counter:
    """How often each piece stands in the corpus once the merges are applied.

    A piece that is not at the start of its word is counted under a leading NUL.
    """
    rank = {pair: i for i, pair in enumerate(merges)}
    counts: Counter = Counter()
    for word, n in words.items():
        parts = list(word)
        while len(parts) > 1:
            known = [rank.get(pair, len(rank)) for pair in zip(parts, parts[1:])]
            i = known.index(min(known))
            if known[i] == len(rank):
                break
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        for i, part in enumerate(parts):
            counts[part if i == 0 else "\0" + part] += n
    return counts


def bert_tokenizer(lowercase: bool) -> Tokenizer:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tok = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tok.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=lowercase
    )
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words = words_of(tok)
    alphabet = sorted({c for w in words for c in w} | set("0123456789;:'-"))
    learnt = segments(words, learn_merges(words, 110))
    subwords = sorted(t.replace("\0", "##") for t in learnt if len(t.replace("\0", "")) > 1)
    # Continuations only of letters and digits: the pre-tokenizer isolates punctuation.
    tokens = special + alphabet + ["##" + c for c in alphabet if c.isalnum()] + subwords
    vocab = {t: i for i, t in enumerate(dict.fromkeys(tokens))}
    tok.model = models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100)
    tok.add_special_tokens(special)
    tok.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])],
    )
    tok.decoder = decoders.WordPiece(prefix="##")
    return tok


def roberta_tokenizer() -> Tokenizer:
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True)
    merges = learn_merges(words_of(tok), 120)
    # <mask> goes last, as in the published vocabularies.
    tokens = special + sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens += ["".join(m) for m in merges] + ["<mask>"]
    vocab = {t: i for i, t in enumerate(dict.fromkeys(tokens))}
    tok.model = models.BPE(vocab, merges)
    tok.add_special_tokens(special + [AddedToken("<mask>", lstrip=True, special=True)])
    tok.post_processor = processors.RobertaProcessing(
        ("</s>", vocab["</s>"]),
        ("<s>", vocab["<s>"]),
        trim_offsets=True,
        add_prefix_space=False,
    )
    tok.decoder = decoders.ByteLevel()
    return tok


def xlm_roberta_tokenizer() -> Tokenizer:
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tok = Tokenizer(models.Unigram())
    # The published models carry SentencePiece's compiled nmt_nfkc map here, which would outweigh
    # the fixture; NFKC and the folding of blanks are its substance.
    tok.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")]
    )
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace("\u2581", "always")]
    )
    words = words_of(tok)
    learnt: Counter = Counter()
    for piece, n in segments(words, learn_merges(words, 140)).items():
        learnt[piece.replace("\0", "")] += n
    for word, n in words.items():
        for c in word:
            learnt[c] += n * 0.1
    for c in "0123456789;:'":
        learnt[c] += 0.5
    total = sum(learnt.values())
    ranked = sorted(learnt, key=lambda t: (-learnt[t], t))
    scored = [(t, round(float(np.log(learnt[t] / total)), 4)) for t in ranked]
    vocab = [(t, 0.0) for t in special] + scored + [("<mask>", 0.0)]
    tok.model = models.Unigram(vocab, unk_id=special.index("<unk>"), byte_fallback=False)
    tok.add_special_tokens(special + [AddedToken("<mask>", lstrip=True, special=True)])
    tok.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    tok.decoder = decoders.Metaspace("\u2581", "always")
    return tok


# --------------------------------------------------------------------------- casing classes


def casing_class(word: str) -> int:
    """The class of an original, un-normalised word; 0 is left for special tokens.

    1 lower, 2 Title, 3 UPPER, 4 letters and digits, 5 digits, 6 neither, 7 mIxed. Letters are
    the Unicode categories L*, digits N*; anything else in the word is passed over. A lone
    capital is UPPER; letters without case count as lower.
    """
    letters = [c for c in word if unicodedata.category(c)[0] == "L"]
    digits = any(unicodedata.category(c)[0] == "N" for c in word)
    if not letters:
        return 5 if digits else 6
    if digits:
        return 4
    uppers = sum(c.isupper() for c in letters)
    if uppers == 0:
        return 1
    if uppers == len(letters):
        return 3
    return 2 if uppers == 1 and letters[0].isupper() else 7


def casing_types(text: str, encoding) -> list[int]:
    """The casing class of the word (pre-token) that each token is a piece of."""
    span: dict[int, tuple[int, int]] = {}
    for word, (start, end) in zip(encoding.word_ids, encoding.offsets):
        if word is not None:
            s, e = span.get(word, (start, end))
            span[word] = (min(s, start), max(e, end))
    classes = {w: casing_class(text[s:e]) for w, (s, e) in span.items()}
    return [0 if w is None else classes[w] for w in encoding.word_ids]


# --------------------------------------------------------------------------- models

# The usual tiny shape, and an odd, cheaper one in which no width is a multiple of eight.
SHAPE = dict(hidden=32, layers=2, heads=4, inner=64)
ODD_SHAPE = dict(hidden=20, layers=1, heads=4, inner=36)


def common(tok: Tokenizer) -> dict:
    return dict(
        vocab_size=tok.get_vocab_size(),
        id2label=dict(enumerate(LABELS)),
        label2id={label: i for i, label in enumerate(LABELS)},
    )


def bert_like(config, tok: Tokenizer, shape: dict, **more):
    return config(
        hidden_size=shape["hidden"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        intermediate_size=shape["inner"],
        **{**common(tok), **more},
    )


def bert(tok: Tokenizer, shape: dict = SHAPE, **more):
    return bert_like(
        BertConfig, tok, shape, max_position_embeddings=POSITIONS, pad_token_id=0, **more
    )


def roberta(config, tok: Tokenizer, shape: dict = SHAPE, **more):
    # Positions are counted from pad_token_id + 1, so two rows of the table go unused.
    return bert_like(
        config,
        tok,
        shape,
        max_position_embeddings=POSITIONS + 2,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
        **more,
    )


def distilbert(tok: Tokenizer, shape: dict = SHAPE, **more):
    return DistilBertConfig(
        dim=shape["hidden"],
        n_layers=shape["layers"],
        n_heads=shape["heads"],
        hidden_dim=shape["inner"],
        max_position_embeddings=POSITIONS,
        pad_token_id=0,
        **{**common(tok), **more},
    )


def build_model(config, seed: int) -> torch.nn.Module:
    """A model of random weights, spread widely enough for an error to show in the logits."""
    model = AutoModelForTokenClassification.from_config(
        config, attn_implementation="eager", dtype=torch.float32
    ).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        # Sorted by name, so that the draw does not hang on the order of registration.
        for name, weight in sorted(model.named_parameters()):
            noise = torch.randn(weight.shape, generator=generator)
            if "norm" in name.lower() and name.endswith("weight"):
                weight.copy_(1.0 + 0.2 * noise)
            elif name == "classifier.weight":
                weight.copy_(0.4 * noise)
            else:
                weight.copy_(0.2 * noise)
    return model


def fixtures() -> dict:
    """name -> (tokenizer, configuration, seed, storage type of the weights, texts).

    Where only the arithmetic is new and the tokenizer is another folder's, a few texts will do.
    """
    uncased, cased = bert_tokenizer(True), bert_tokenizer(False)
    byte_level, unigram = roberta_tokenizer(), xlm_roberta_tokenizer()
    casing = dict(type_vocab_size=8, dateline={"casing_token_types": True})
    f32, f16 = torch.float32, torch.float16
    odd_bert = bert(cased, ODD_SHAPE)
    odd_xlm = roberta(XLMRobertaConfig, unigram, ODD_SHAPE)
    relu = distilbert(uncased, ODD_SHAPE, activation="relu")
    gelu_new = roberta(RobertaConfig, byte_level, ODD_SHAPE, hidden_act="gelu_new")
    return {
        "bert": (uncased, bert(uncased), SEED, f32, TEXTS),
        # The weights of `bert` stored in half precision; the arithmetic stays in f32.
        "bert-f16": (uncased, bert(uncased), SEED, f16, FEW_TEXTS),
        "bert-casing": (uncased, bert(uncased, **casing), SEED + 1, f32, TEXTS),
        "bert-cased": (cased, odd_bert, SEED + 2, f32, TEXTS),
        "distilbert": (uncased, distilbert(uncased), SEED + 3, f32, FEW_TEXTS),
        "distilbert-relu": (uncased, relu, SEED + 4, f32, FEW_TEXTS),
        "roberta": (byte_level, roberta(RobertaConfig, byte_level), SEED + 5, f32, TEXTS),
        "roberta-gelu-new": (byte_level, gelu_new, SEED + 6, f32, FEW_TEXTS),
        "xlm-roberta": (unigram, odd_xlm, SEED + 7, f32, TEXTS),
    }


# --------------------------------------------------------------------------- the answers


def byte_offsets(text: str, encoding) -> list[list[int]]:
    """The spans of the tokens in UTF-8 bytes; the Python binding counts code points."""
    at = [0]
    for char in text:
        at.append(at[-1] + len(char.encode()))
    return [[at[start], at[end]] for start, end in encoding.offsets]


def expected(folder: Path, texts: list[str]) -> list[dict]:
    """What transformers says about the texts, from the folder as it lies on disk."""
    tok = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = AutoModelForTokenClassification.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32
    ).eval()
    config = model.config
    cases = []
    for text in texts:
        encoding = tok.encode(text)
        assert len(encoding.ids) <= POSITIONS, f"{folder.name}: too long: {text!r}"
        types = None
        if config.model_type == "bert":
            by_case = getattr(config, "dateline", None) and config.dateline["casing_token_types"]
            types = casing_types(text, encoding) if by_case else encoding.type_ids
        inputs = {"input_ids": torch.tensor([encoding.ids])}
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        if types is not None:
            inputs["token_type_ids"] = torch.tensor([types])
        with torch.inference_mode():
            logits = model(**inputs).logits[0].numpy()
        assert logits.dtype == np.float32 and logits.shape == (len(encoding.ids), len(LABELS))
        cases.append(
            {
                "text": text,
                "input_ids": encoding.ids,
                "token_type_ids": types,
                "offsets": byte_offsets(text, encoding),
                # The shortest decimal that reads back as the same f32.
                "logits": [[float(str(v)) for v in row] for row in logits],
            }
        )
    return cases


def dump_cases(cases: list[dict]) -> str:
    """JSON with one field a line: small, and still fit for a diff."""
    blocks = []
    for case in cases:
        fields = [f'"{k}":{json.dumps(v, separators=(",", ":"))}' for k, v in case.items()]
        blocks.append("{\n" + ",\n".join(fields) + "\n}")
    return "[\n" + ",\n".join(blocks) + "\n]\n"


def write(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name, (tok, config, seed, storage, texts) in fixtures().items():
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        build_model(config, seed).to(storage).save_pretrained(folder)
        tok.save(str(folder / "tokenizer.json"), pretty=False)
        answers = dump_cases(expected(folder, texts))
        (folder / "expected.json").write_text(answers, encoding="utf-8")


def check(out: Path) -> None:
    """Recompute every answer from disk and compare it with the one recorded."""
    total = 0
    for name, (_, _, _, _, texts) in fixtures().items():
        folder = out / name
        recorded = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
        worst, low, high = 0.0, 0.0, 0.0
        fresh = expected(folder, texts)
        assert len(fresh) == len(recorded), f"{name}: the list of texts has changed"
        for old, new in zip(recorded, fresh):
            for key in ("text", "input_ids", "token_type_ids", "offsets"):
                assert old[key] == new[key], f"{name}: {key} differs for {old['text']!r}"
            a, b = np.array(old["logits"], "f4"), np.array(new["logits"], "f4")
            worst = max(worst, float(np.abs(a - b).max()))
            low, high = min(low, float(b.min())), max(high, float(b.max()))
        size = sum(f.stat().st_size for f in folder.iterdir())
        total += size
        lengths = [len(c["input_ids"]) for c in fresh]
        print(
            f"{name:16} {size:7} bytes  logits {low:5.1f} to {high:4.1f}"
            f"  largest difference {worst:g}  tokens {lengths}"
        )
    print(f"{'total':16} {total:7} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the parity fixtures.")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder to write into")
    parser.add_argument("--check", action="store_true", help="only recompute and compare")
    args = parser.parse_args()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    if not args.check:
        write(args.out)
    check(args.out)


if __name__ == "__main__":
    main()
