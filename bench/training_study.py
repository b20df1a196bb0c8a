#!/usr/bin/env python3
"""Trains small translators that differ in one thing, each with several seeds, and draws what came of it.

    training_study.py NAME --attn COMMAND --data DIRECTORY --output PREFIX [--quick] [--seeds N] [--steps N] [--jobs N]

NAME is one of the studies below; DIRECTORY holds train.tsv.gz and valid.tsv (see data/README.md). Every validation of every run
becomes a line of PREFIX.tsv, which is also where a study that was stopped goes on; the picture is PREFIX.svg, and where
a study asks for it PREFIX_bleu.svg. Nothing but Python's standard library is needed.
"""

import gzip
import json
import pathlib
import statistics
import tempfile

from study_runs import corpus, draw, go_on, options, read_options, run, sized

COLUMNS = {"variant": str, "seed": int, "step": int, "loss": float, "bleu": float}
COMMON = ["--threads", "1", "--json", "--epochs", "0", "--patience", "0"]

# Small enough for minutes on one thread; sentences of at most six words, so that such models learn something.
STUDIES = {
    "parameters": {
        "title": "8 heads share keys and values",
        "steps": 1000,
        "valid_every": 250,
        "pairs": 60000,
        "validation": 500,
        "words": 6,
        "bleu": True,
        "options": ["--dim", "128", "--heads", "8", "--layers", "2", "--ffn", "256", "--vocab", "2000", "--batch-tokens", "2000",
                    "--compute", "bf16", "--warmup", "200", "--rate", "0.003", "--average", "0.99"],
        "variants": {
            "MHA (8)": [],
            "GQA (2)": ["--key-value-heads", "2"],
            "MQA (1)": ["--key-value-heads", "1"],
        },
    },
    "dropout": {
        "title": "What dropout does on 500 pairs",
        "steps": 200,
        "valid_every": 40,
        "pairs": 500,
        "validation": 150,
        "words": 6,
        "bleu": False,
        "options": ["--dim", "64", "--heads", "4", "--layers", "2", "--ffn", "128", "--vocab", "1000", "--batch-tokens", "1000",
                    "--warmup", "50", "--rate", "0.003", "--average", "0"],
        "variants": {f"dropout {p}": ["--dropout", p] for p in ("0", "0.1", "0.3")},
    },
}


def short_pairs(lines, longest, most):
    """The first `most` pairs whose source has at most `longest` words."""
    kept = []
    for line in lines:
        if len(line.split("\t")[0].split()) > longest:
            continue
        kept.append(line)
        if len(kept) == most:
            break
    return "".join(kept)


def write_data(o, study, directory):
    source = corpus(o.data)
    with gzip.open(source / "train.tsv.gz", "rt", encoding="utf-8") as lines:
        (directory / "train.tsv").write_text(short_pairs(lines, study["words"], sized(o, study["pairs"])), encoding="utf-8")
    with open(source / "valid.tsv", encoding="utf-8") as lines:
        (directory / "valid.tsv").write_text(short_pairs(lines, study["words"], sized(o, study["validation"])), encoding="utf-8")


def train(o, study, directory, variant, seed):
    """One training's rows."""
    told = run([o.attn, "train", "translate", "--train", directory / "train.tsv", "--valid", directory / "valid.tsv",
                "--model", directory / f"{variant}-{seed}", "--seed", str(seed), "--steps", str(o.steps or sized(o, study["steps"])),
                "--valid-every", str(sized(o, study["valid_every"]))]
               + COMMON + study["options"] + study["variants"][variant])
    events = [json.loads(line) for line in told.splitlines()]
    return [[variant, seed, e["step"], e["valid_loss"], e["valid_bleu"]] for e in events if e["event"] == "validated"]


def draw_all(study, prefix, rows):
    title = f"{study['title']}, mean and standard deviation of {len({row[1] for row in rows})} seeds"
    draw(f"{prefix}.svg", [(v, step, loss) for v, _, step, loss, _ in rows], title, "step", "validation loss / nats a token")
    if study["bleu"]:
        draw(f"{prefix}_bleu.svg", [(v, step, bleu) for v, _, step, _, bleu in rows], title, "step", "validation BLEU",
             "--from-zero")


def summarize(rows):
    """One line a variant, for doc/results.md."""
    last = {tuple(row[:2]): row for row in rows}.values()
    for variant in dict.fromkeys(row[0] for row in rows):
        mine = [row for row in last if row[0] == variant]
        line = f"{variant}: {len(mine)} trainings"
        for label, values in (("last loss", [row[3] for row in mine]), ("last BLEU", [row[4] for row in mine])):
            deviation = statistics.stdev(values) if len(values) > 1 else 0
            line += f", {label} {statistics.fmean(values):.3f} +- {deviation:.3f} ({min(values):.3f} to {max(values):.3f})"
        print(line)


def main():
    parser = options(__doc__)
    parser.add_argument("name", choices=STUDIES)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    o = read_options(parser, 3)
    study = STUDIES[o.name]
    wanted = [(v, s) for s in range(1, o.seeds + 1) for v in study["variants"]]
    with tempfile.TemporaryDirectory() as scratch:
        directory = pathlib.Path(scratch)
        write_data(o, study, directory)
        rows = go_on(o, COLUMNS, wanted, lambda *key: train(o, study, directory, *key))
    draw_all(study, o.output, rows)
    summarize(rows)


if __name__ == "__main__":
    main()
