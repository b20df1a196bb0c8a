#!/usr/bin/env python3
"""What too high a learning rate does to attention, and what a soft cap and QK norm do about it.

    stability_study.py --attn COMMAND --output PREFIX [--quick] [--seeds N] [--steps N] [--jobs N]

Trains a Transformer of one layer and one head to reverse made-up words of 1 to 15 letters, at four learning rates, as it
is, with its scores capped at 5 and with normalized queries and keys, as in the studies of small models by Wortsman et
al. 2023. Every validation is a line of PREFIX.tsv, which is also where a study that was stopped goes on; its last
column is the entropy of the encoder's attention after the last step, mean over the rows of the weights on other words: a row
that looks at one position alone has 0 (the collapse of Zhai et al. 2023). PREFIX.svg draws the last loss by rate,
PREFIX_entropy.svg the entropy, PREFIX_steps.svg the loss by step at the rate that tells them apart. Nothing but
Python's standard library is needed.
"""

import json
import math
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

from made_up_tasks import pairs
from study_runs import draw, go_on, options, read_options, run, sized

COLUMNS = {"variant": str, "rate": str, "seed": int, "step": int, "loss": float, "bleu": float, "entropy": float}
RATES, TELLING = ("0.003", "0.006", "0.012", "0.024"), "0.012"
VARIANTS = {"as it is": [], "soft cap": ["--softcap", "5"], "QK norm": ["--qk-norm"]}
LONGEST, STEPS, VALID_EVERY = 15, 400, 100
TRAINING = ["--threads", "1", "--json", "--dim", "64", "--heads", "1", "--layers", "1", "--ffn", "128", "--vocab", "60",
            "--batch-tokens", "1000", "--warmup", "50", "--schedule", "flat", "--cooldown", "0", "--clip", "0",
            "--average", "0", "--dropout", "0", "--label-smoothing", "0", "--epochs", "0", "--patience", "0"]


def write_data(o, directory):
    for name, count in (("train", 20000), ("valid", 200), ("looked", 50)):
        source = random.Random(name)
        text = pairs("reverse", source, [source.randint(1, LONGEST) for _ in range(sized(o, count))])
        (directory / f"{name}.tsv").write_text(text, encoding="utf-8")
    sources = [line.split("\t")[0] + "\n" for line in (directory / "looked.tsv").read_text(encoding="utf-8").splitlines()]
    (directory / "looked.txt").write_text("".join(sources), encoding="utf-8")


def entropy(attn, model, directory):
    """Nats, mean over the rows of the encoder's attention."""
    looked = pathlib.Path(f"{model}.json")
    run([attn, "translate", "-m", model, "-b", "1", "--threads", "1", "--attention", looked, directory / "looked.txt"])
    maps = [m for text in json.loads(looked.read_text(encoding="utf-8")) for m in text["attention"] if m["kind"] == "encoder"]
    rows = [row for m in maps for layer in m["weights"] for head in layer for row in head]
    return statistics.fmean(-sum(w * math.log(w) for w in row if w > 0) for row in rows)


def train(o, directory, variant, rate, seed):
    """One training's rows. One that diverged ends early: its last row has no loss."""
    model = directory / f"{variant}-{rate}-{seed}".replace(" ", "-")
    command = [o.attn, "train", "translate", "--train", directory / "train.tsv", "--valid", directory / "valid.tsv",
               "--model", model, "--seed", str(seed), "--rate", rate, "--steps", str(o.steps or sized(o, STEPS)),
               "--valid-every", str(sized(o, VALID_EVERY))] + TRAINING + VARIANTS[variant]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "diverged" not in done.stderr:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    rows = [[variant, rate, seed, e["step"], e["valid_loss"], e["valid_bleu"], math.nan]
            for e in events if e["event"] == "validated" and e["valid_loss"] is not None]
    if done.returncode:
        return rows + [[variant, rate, seed, max(e.get("step", 0) for e in events), math.nan, math.nan, math.nan]]
    rows[-1][-1] = entropy(o.attn, model, directory)
    return rows


def last_of(rows):
    """The last row of each training."""
    return list({tuple(row[:3]): row for row in rows}.values())


def draw_all(prefix, rows):
    told = f"mean and standard deviation of {len({row[2] for row in rows})} seeds"
    last, loss = last_of(rows), "validation loss / nats a token"
    draw(f"{prefix}.svg", [(r[0], r[1], r[4]) for r in last], f"What is learnt by rate, {told}", "learning rate", loss, "--log-x")
    draw(f"{prefix}_entropy.svg", [(r[0], r[1], r[6]) for r in last], f"The encoder's attention, {told}", "learning rate",
         "entropy of a row / nats", "--log-x", "--from-zero")
    draw(f"{prefix}_steps.svg", [(r[0], r[3], r[4]) for r in rows if r[1] == TELLING], f"At a rate of {TELLING}, {told}", "step",
         loss)


def summarize(rows):
    """One line a variant and rate, for doc/results.md."""
    for rate, variant in ((r, v) for r in RATES for v in VARIANTS):
        last = [row for row in last_of(rows) if row[:2] == [variant, rate]]
        whole = [row for row in last if math.isfinite(row[4])]
        line = f"{rate} {variant}: {len(last)} trainings, {len(last) - len(whole)} diverged"
        for label, at in (("loss", 4), ("BLEU", 5), ("entropy", 6)):
            values = [row[at] for row in whole]
            if len(values) > 1:
                line += f", {label} {statistics.fmean(values):.3f} +- {statistics.stdev(values):.3f}"
                line += f" ({min(values):.3f} to {max(values):.3f})"
        print(line)


def main():
    o = read_options(options(__doc__), 10)
    wanted = [(v, r, s) for s in range(1, o.seeds + 1) for r in RATES for v in VARIANTS]
    with tempfile.TemporaryDirectory() as scratch:
        directory = pathlib.Path(scratch)
        write_data(o, directory)
        rows = go_on(o, COLUMNS, wanted, lambda *key: train(o, directory, *key))
    draw_all(o.output, rows)
    summarize(rows)


if __name__ == "__main__":
    main()
