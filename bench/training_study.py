#!/usr/bin/env python3
"""Trains small translators that differ in one thing, each with several seeds, and draws what came of it.

    training_study.py NAME --attn COMMAND --data DIRECTORY --output PREFIX [--seeds N] [--jobs N]

NAME is one of the studies below; DIRECTORY holds train.tsv.gz and valid.tsv (see data/README.md). Every validation of every run
becomes a line of PREFIX.tsv, which is also where a study that was stopped goes on; the picture is PREFIX.svg. Nothing
but Python's standard library is needed.
"""

import argparse
import concurrent.futures
import gzip
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
PLOT = HERE.parent / "tools" / "plot"
COLUMNS = ["variant", "seed", "step", "loss", "bleu"]

# Small enough for minutes on one thread; sentences of at most six words, so that such models learn something.
COMMON = ["--threads", "1", "--json", "--epochs", "0", "--patience", "0"]
TINY = ["--dim", "64", "--layers", "2", "--ffn", "128", "--vocab", "1000", "--batch-tokens", "1000"]

STUDIES = {
    "parameters": {
        "seeds": 3,
        "pairs": 60000,
        "validation": 150,
        "options": TINY + ["--heads", "8", "--steps", "300", "--valid-every", "100", "--warmup", "100", "--rate", "0.003",
                           "--average", "0"],
        "variants": {
            "MHA (8)": [],
            "GQA (2)": ["--key-value-heads", "2"],
            "MQA (1)": ["--key-value-heads", "1"],
        },
    },
    "dropout": {
        "seeds": 3,
        "pairs": 500,
        "validation": 150,
        "options": TINY + ["--heads", "4", "--steps", "200", "--valid-every", "40", "--warmup", "50", "--rate", "0.003",
                           "--average", "0"],
        "variants": {f"dropout {p}": ["--dropout", p] for p in ("0", "0.1", "0.3")},
    },
    "stability": {
        "seeds": 10,
        "pairs": 20000,
        "validation": 200,
        "options": TINY + ["--heads", "4", "--steps", "120", "--valid-every", "40", "--warmup", "1", "--schedule", "flat",
                           "--cooldown", "0", "--rate", "0.006", "--clip", "0",
                           "--average", "0", "--dropout", "0"],
        "variants": {
            "as it is": [],
            "soft cap": ["--softcap", "5"],
            "QK norm": ["--qk-norm"],
        },
    },
}


def short_pairs(lines, most):
    kept = []
    for line in lines:
        if len(line.split("\t")[0].split()) > 6:
            continue
        kept.append(line)
        if len(kept) == most:
            break
    return "".join(kept)


def write_data(study, source, directory):
    with gzip.open(source / "train.tsv.gz", "rt", encoding="utf-8") as lines:
        (directory / "train.tsv").write_text(short_pairs(lines, study["pairs"]), encoding="utf-8")
    with open(source / "valid.tsv", encoding="utf-8") as lines:
        (directory / "valid.tsv").write_text(short_pairs(lines, study["validation"]), encoding="utf-8")


def train(attn, study, variant, seed, directory):
    """One run's rows. A run that diverged ends early: its last row has no loss."""
    model = directory / f"{variant}-{seed}"
    command = [attn, "train", "translate", "--train", str(directory / "train.tsv"), "--valid", str(directory / "valid.tsv"),
               "--model", str(model), "--seed", str(seed)] + COMMON + study["options"] + study["variants"][variant]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    events = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    rows = [[variant, seed, e["step"], e["valid_loss"], e["valid_bleu"]] for e in events if e["event"] == "validated"]
    rows = [[v if v is not None else math.nan for v in row] for row in rows]
    if run.returncode and "diverged" in run.stderr:
        step = max([e["step"] for e in events if "step" in e], default=0)
        rows.append([variant, seed, step, math.nan, math.nan])
    elif run.returncode:
        sys.exit(f"{' '.join(command)}\n{run.stderr}")
    return rows


def read_rows(path):
    if not path.exists():
        return []
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    return [[v, int(seed), int(step), float(loss), float(bleu)] for v, seed, step, loss, bleu in rows]


def write_table(path, header, rows):
    path.write_text("\n".join("\t".join(map(str, r)) for r in [header] + rows) + "\n", encoding="utf-8")


def last_of(rows):
    """The last row of each run."""
    last = {}
    for row in rows:
        last[row[0], row[1]] = row
    return list(last.values())


def plot(name, prefix, rows, seeds):
    titles = {"parameters": "8 heads share keys and values", "dropout": "What dropout does on 500 pairs",
              "stability": "Rate 0.006 from the first step on, no clipping"}
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8") as table:
        lines = [["series", "x", "y"]] + [[variant, step, loss] for variant, _, step, loss, _ in rows]
        table.write("\n".join("\t".join(map(str, line)) for line in lines) + "\n")
        table.flush()
        subprocess.run([PLOT, table.name, "-o", f"{prefix}.svg", "--title",
                        f"{titles[name]}, mean and standard deviation of {seeds} seeds", "--x-label", "step",
                        "--y-label", "validation loss / nats a token"], check=True)


def summarize(rows):
    """One line a variant, for doc/results.md."""
    for variant in dict.fromkeys(row[0] for row in rows):
        last = [row for row in last_of(rows) if row[0] == variant]
        whole = [row for row in last if math.isfinite(row[3])]
        best = [min(r[3] for r in rows if r[:2] == row[:2]) for row in whole]
        line = f"{variant}: {len(last)} runs, {len(last) - len(whole)} diverged"
        for label, values in (("last loss", [r[3] for r in whole]), ("best loss", best), ("last BLEU", [r[4] for r in whole])):
            deviation = statistics.stdev(values) if len(values) > 1 else 0
            if values:
                line += f", {label} {statistics.fmean(values):.3f} +- {deviation:.3f}"
        print(line)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=STUDIES)
    parser.add_argument("--attn", required=True)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--output", required=True, type=pathlib.Path)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, each on one thread")
    o = parser.parse_args()
    study, table = STUDIES[o.name], o.output.with_suffix(".tsv")
    seeds = o.seeds or study["seeds"]
    if not (o.data / "train.tsv.gz").exists():
        sys.exit(f"{o.data}/train.tsv.gz is missing: DATA=DIRECTORY names where train.tsv.gz and valid.tsv are; see data/README.md")
    rows = read_rows(table)
    done = {(row[0], row[1]) for row in rows}
    todo = [(v, s) for s in range(1, seeds + 1) for v in study["variants"] if (v, s) not in done]
    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ThreadPoolExecutor(o.jobs) as pool:
        directory = pathlib.Path(scratch)
        write_data(study, o.data, directory)
        runs = [pool.submit(train, o.attn, study, v, s, directory) for v, s in todo]
        for at, run in enumerate(concurrent.futures.as_completed(runs), 1):
            rows += run.result()
            write_table(table, COLUMNS, rows)
            print(f"{at} of {len(runs)}: {rows[-1]}", flush=True)
    rows.sort(key=lambda row: (list(study["variants"]).index(row[0]), row[1], row[2]))
    write_table(table, COLUMNS, rows)
    plot(o.name, o.output, rows, seeds)
    summarize(rows)


if __name__ == "__main__":
    main()
