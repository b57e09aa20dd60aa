"""What compare.py measured, as tables in Markdown and as a plot."""

from statistics import median

NAMES = {
    "ours-int8": "Dateline int8",
    "ours-f32": "Dateline f32",
    "candle-f32": "candle-transformers f32",
    "rten-f32": "rten f32",
    "rten-int8": "rten int8",
    "ort-f32": "ONNX Runtime f32",
    "ort-int8": "ONNX Runtime int8",
    "ort-int8-reduced": "ONNX Runtime int8, 7 bits",
    "openvino-f32": "OpenVINO f32",
    "openvino-int8": "OpenVINO int8",
    "ctranslate2-int8": "CTranslate2 int8",
    "torch-f32": "PyTorch f32",
    "torch-compile": "PyTorch f32, compiled",
    "torch-int8": "PyTorch int8",
}
MODES = {"batch": "batches", "single": "one text at a time"}


def agreement(turns, reference):
    """For each engine the share of tokens that it tags as the reference does: of all, and of those that one of both
    tags as part of a name (every tag but the first)."""
    tagged = [turn for turn in turns if "tags" in turn]
    right = {window: tags for turn in tagged if turn["engine"] == reference for window, tags in turn["tags"].items()}
    shares = {}
    for engine in {turn["engine"] for turn in tagged} if right else ():
        pairs = [
            pair
            for turn in tagged
            if turn["engine"] == engine
            for window, tags in turn["tags"].items()
            for pair in zip(tags, right[window], strict=True)
        ]
        names = [pair for pair in pairs if pair != ("0", "0")]
        same = [sum(a == b for a, b in of) / max(1, len(of)) for of in (pairs, names)]
        shares[engine] = {"tokens": same[0], "names": same[1]}
    return shares


def speeds(results, engine, cores, mode):
    """Tokens a second in each round."""
    return {
        turn["round"]: turn["tokens"] / turn["seconds"]
        for turn in results["turns"]
        if (turn["engine"], turn["cores"], turn["mode"]) == (engine, cores, mode)
    }


def latencies(results, engine):
    """The milliseconds of each round."""
    return {
        turn["round"]: turn["milliseconds"]
        for turn in results["turns"]
        if (turn["engine"], turn["mode"]) == (engine, "latency")
    }


def percentile(values, share):
    """The smallest value that so large a share of all does not exceed."""
    values = sorted(values)
    return values[max(0, -(-len(values) * share // 100) - 1)]


def engines(results):
    """The engines that were measured, in the order of the names above."""
    return [name for name in NAMES if name in results["versions"]]


def columns(results):
    """What was measured: numbers of cores and modes, in order."""
    seen = {(turn["cores"], turn["mode"]) for turn in results["turns"]}
    return [(cores, mode) for cores in sorted({cores for cores, _ in seen}) for mode in MODES if (cores, mode) in seen]


def title(cores, mode):
    return f"{cores} core{'s' if cores > 1 else ''}, {MODES[mode]}"


def table(head, rows):
    """A Markdown table whose columns are aligned for readers of plain text."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in [head, rule, *rows]
    )


def markdown(results):
    """All tables."""
    found = engines(results)
    base = next((name for name in ("ours-int8", "ours-f32") if name in found), None)
    parts = [f"{results['machine']}\n\n{results['date']}: {results['windows']} windows, {results['tokens']} tokens; "
             f"{results['rounds']} rounds."]  # fmt: skip
    parts.append("Real tokens a second, median of the rounds:\n\n" + speed_table(results, found))
    if base:
        parts.append(ratio_text(results, found, base))
    parts.append("Settings:\n\n" + settings_table(results, found))
    if results["failures"]:
        reasons = [f"- {NAMES[name]}: {why}" for name, why in results["failures"].items()]
        parts.append("Not measured:\n\n" + "\n".join(reasons))
    return "\n\n".join(parts) + "\n"


def speed_table(results, found):
    head = ["engine", *(title(*column) for column in columns(results)), "same tags", "same tags in names"]
    rows = []
    for engine in found:
        rounds = [speeds(results, engine, *column).values() for column in columns(results)]
        same = results["agreement"].get(engine)
        shares = [f"{share:.2%}" for share in (same["tokens"], same["names"])] if same else ["", ""]
        rows.append([NAMES[engine], *(f"{median(values):.0f}" if values else "" for values in rounds), *shares])
    return table(head, rows)


def ratio_text(results, found, base):
    """How many times as fast as each engine the base is: median (least to most) of the ratios within a round."""
    head = [f"{NAMES[base]} against", *(title(*column) for column in columns(results))]
    timed = bool(latencies(results, base))
    if timed:
        head += ["p50 ms", "p99 ms", "p50 against"]
    ours = latencies(results, base)
    rows = []
    for engine in found:
        row = [NAMES[engine]]
        for column in columns(results):
            mine, theirs = (speeds(results, name, *column) for name in (base, engine))
            row.append(spread([mine[round] / theirs[round] for round in mine if round in theirs]))
        if timed:
            theirs = latencies(results, engine)
            every = sum(theirs.values(), [])
            row += [f"{percentile(every, share):.1f}" for share in (50, 99)]
            row.append(spread([median(theirs[round]) / median(ours[round]) for round in ours if round in theirs]))
        rows.append(row)
    text = f"How many times as fast {NAMES[base]} is, median (least to most) of the ratios within each round"
    if timed:
        text += f"; the times are of one text of {results['words']} words ({results['word_tokens']} tokens) on " \
                f"{max(turn['cores'] for turn in results['turns'])} cores"  # fmt: skip
    return f"{text}:\n\n" + table(head, rows)


def spread(ratios):
    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if ratios else ""


def settings_table(results, found):
    rows = []
    for engine in found:
        chosen = results["settings"][engine]
        told = [f"{cores} core{'s' if cores > 1 else ''}: batches of {of['batch']}"
                + (f" in {of['streams']} streams" if of["streams"] > 1 else "")
                for cores, of in chosen.items() if of]  # fmt: skip
        rows.append([NAMES[engine], results["versions"][engine], "; ".join(told)])
    return table(["engine", "version", "fastest of what was tried"], rows)


WIDTH, LEFT, ROW, TOP, GAP = 960, 190, 22, 60, 40
STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #24292f }
.head { font-weight: 600 } .small { font-size: 12px; fill: #57606a }
.bar { fill: #9aa7b4 } .ours { fill: #1f6feb } .back { fill: #ffffff }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #9198a1 }
  .bar { fill: #59636e } .ours { fill: #4493f8 } .back { fill: #0d1117 }
}
</style>"""


def svg(results):
    """A panel of bars for each number of cores and mode: tokens a second of each engine, Dateline's in colour."""
    found, panels = engines(results), columns(results)
    across = 2 if len(panels) > 1 else 1
    inner = (WIDTH - 20 - LEFT - GAP * (across - 1)) / across - 50
    height_of_panel = 30 + ROW * len(found)
    lines = -(-len(panels) // across)
    height = TOP + lines * (height_of_panel + GAP)
    most = {mode: max([median(speeds(results, engine, cores, mode).values() or [0]) for engine in found
                       for cores, of in panels if of == mode] or [1]) for mode in MODES}  # fmt: skip
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img">',
        STYLE,
        f'<rect class="back" width="{WIDTH}" height="{height:.0f}"/>',
        '<text x="12" y="26" class="head" style="font-size:16px">Tokens a second, the same model on the same cores</text>',
        f'<text x="12" y="45" class="small">{escape(results["machine"])}</text>',
    ]
    scale = inner / max(most.values())
    for number, (cores, mode) in enumerate(panels):
        column, line = number % across, number // across
        x = LEFT + column * (inner + 50 + GAP)
        y = TOP + line * (height_of_panel + GAP)
        parts.append(f'<text x="{x:.1f}" y="{y + 16:.1f}" class="head">{title(cores, mode)}</text>')
        for row, engine in enumerate(found):
            at = y + 26 + row * ROW
            if column == 0:
                parts.append(f'<text x="{x - 8:.1f}" y="{at + 14:.1f}" text-anchor="end">{NAMES[engine]}</text>')
            rounds = speeds(results, engine, cores, mode).values()
            if not rounds:
                continue
            speed = median(rounds)
            kind = "bar ours" if engine.startswith("ours") else "bar"
            parts.append(f'<rect class="{kind}" x="{x:.1f}" y="{at + 2:.1f}" width="{speed * scale:.1f}" height="{ROW - 6}" rx="2"/>')
            parts.append(f'<text x="{x + speed * scale + 6:.1f}" y="{at + 14:.1f}" class="small">{speed:,.0f}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;")
