#!/usr/bin/env python3
"""What recurrent networks forget over distance, and what attention does about it.

    longrange_study.py --attn COMMAND --data DIRECTORY --output PREFIX [--seeds N] [--jobs N] [TASK...]

Trains an LSTM without attention, one with it and a Transformer on tasks that this script makes up, at lengths up to 15, and asks
them at lengths up to 30; and on translation (DIRECTORY holds train.tsv.gz and test.tsv, see data/README.md), asked by length of
the source, as in figure 2 of Bahdanau et al. 2015. TASKs are copy, reverse, recall, adding, translation; all of them
unless some are named. PREFIX.tsv has a line for every run and length, and is where a study that was stopped goes on; the
pictures are PREFIX_TASK.svg. Nothing but Python's standard library is needed.
"""

import argparse
import concurrent.futures
import gzip
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

from training_study import draw, write_table

COLUMNS = ["task", "variant", "seed", "length", "score"]
SYMBOLS = "a b c d e f g h i j k l m n o p".split()
TRAINED, ASKED, QUESTIONS = 15, (5, 10, 15, 20, 25, 30), 100
BUCKETS = ((1, 4), (5, 8), (9, 12), (13, 16), (17, 40))

COMMON = ["--threads", "1", "--quiet", "--epochs", "0", "--patience", "0", "--average", "0.99", "--warmup", "200"]
SYNTHETIC = ["--vocab", "60", "--batch-tokens", "1000", "--steps", "800", "--dropout", "0", "--label-smoothing", "0"]
TRANSLATION = ["--vocab", "4000", "--batch-tokens", "2000", "--steps", "2500"]
LSTM = ["--arch", "lstm", "--rate", "0.008"]
TRANSFORMER = ["--heads", "4", "--layers", "2", "--rate", "0.004"]
VARIANTS = {
    "LSTM": LSTM + ["--attention", "none"],
    "LSTM with attention": LSTM + ["--attention", "general"],
    "Transformer": TRANSFORMER,
}
SIZES = {
    "synthetic": {"LSTM": ["--dim", "64"], "LSTM with attention": ["--dim", "64"],
                  "Transformer": ["--dim", "64", "--ffn", "128"]},
    "translation": {"LSTM": ["--dim", "192"], "LSTM with attention": ["--dim", "192"],
                    "Transformer": ["--dim", "192", "--ffn", "384"]},
}


def copy(draw_, length):
    symbols = draw_.choices(SYMBOLS, k=length)
    return symbols, symbols


def reverse(draw_, length):
    symbols = draw_.choices(SYMBOLS, k=length)
    return symbols, symbols[::-1]


def recall(draw_, length):
    """Keys and their values in pairs, then one of the keys: what was its value?"""
    keys = draw_.sample(SYMBOLS, min(max(1, length // 2 - 1), len(SYMBOLS)))
    values = draw_.choices("0 1 2 3 4 5 6 7 8 9".split(), k=len(keys))
    asked = draw_.randrange(len(keys))
    return [word for pair in zip(keys, values) for word in pair] + ["?", keys[asked]], [values[asked]]


def adding(draw_, length):
    """Digits, two of them marked: what is the sum of those two? (Hochreiter and Schmidhuber 1997, with digits.)"""
    digits = [draw_.randrange(10) for _ in range(max(2, length))]
    first, second = draw_.sample(range(len(digits)), 2)
    words = [f"x{d}" if at in (first, second) else str(d) for at, d in enumerate(digits)]
    return words, [f"s{digits[first] + digits[second]}"]


TASKS = {"copy": copy, "reverse": reverse, "recall": recall, "adding": adding, "translation": None}


def lines_of(task, draw_, lengths):
    return ["\t".join(" ".join(side) for side in TASKS[task](draw_, length)) for length in lengths]


def short_sentences(path):
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as lines:
        return [line.rstrip("\n").split("\t")[:2] for line in lines]


def write_task(task, data, directory):
    """The training pairs, and a file of questions for every length."""
    draw_ = random.Random(f"{task} questions")
    if task == "translation":
        pairs = short_sentences(data / "train.tsv.gz")
        (directory / f"{task}.tsv").write_text("".join(f"{s}\t{t}\n" for s, t in pairs), encoding="utf-8")
        asked = {high: [p for p in short_sentences(data / "test.tsv") if low <= len(p[0].split()) <= high] for low, high in BUCKETS}
        asked = {length: ["\t".join(p) for p in pairs] for length, pairs in asked.items()}
    else:
        lengths = [draw_.randint(1, TRAINED) for _ in range(20000)]
        (directory / f"{task}.tsv").write_text("\n".join(lines_of(task, draw_, lengths)) + "\n", encoding="utf-8")
        asked = {length: lines_of(task, draw_, [length] * QUESTIONS) for length in ASKED}
    for length, lines in asked.items():
        (directory / f"{task}-{length}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return list(asked)


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def score(attn, task, model, questions, directory):
    """Percent of the answers that are right from beginning to end, or BLEU."""
    if task == "translation":
        return json.loads(run([attn, "eval", "-m", model, "-b", "1", "--threads", "1", "--json", questions]))["bleu"]
    pairs = [line.split("\t") for line in questions.read_text(encoding="utf-8").splitlines()]
    sources = directory / f"{model.name}.txt"
    sources.write_text("".join(f"{source}\n" for source, _ in pairs), encoding="utf-8")
    answers = run([attn, "translate", "-m", model, "-b", "1", "--threads", "1", sources]).splitlines()
    return 100 * statistics.fmean(answer == target for answer, (_, target) in zip(answers, pairs))


def train(attn, task, variant, seed, lengths, directory):
    model = directory / f"{task}-{variant}-{seed}".replace(" ", "-")
    kind = "translation" if task == "translation" else "synthetic"
    options = VARIANTS[variant] + SIZES[kind][variant] + (TRANSLATION if task == "translation" else SYNTHETIC)
    run([attn, "train", "translate", "--train", directory / f"{task}.tsv", "--model", model, "--seed", str(seed)] + COMMON + options)
    return [[task, variant, seed, n, score(attn, task, model, directory / f"{task}-{n}.tsv", directory)] for n in lengths]


def read_rows(path):
    if not path.exists():
        return []
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    return [[task, variant, int(seed), int(length), float(score_)] for task, variant, seed, length, score_ in rows]


def plot(prefix, task, rows, seeds):
    label = "BLEU" if task == "translation" else "answers wholly right / %"
    x_label = "words of the source, at most" if task == "translation" else f"length (trained on 1 to {TRAINED})"
    names = {"copy": "Copying", "reverse": "Reversing", "recall": "Recalling a value by its key",
             "adding": "Adding two marked digits", "translation": "Translating"}
    draw(prefix, f"_{task}", [[v, n, y] for _, v, _, n, y in rows], f"{names[task]}, mean and 95 % interval of {seeds} seeds",
         x_label, label, ["--spread", "ci"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=", ".join(TASKS))
    parser.add_argument("--attn", required=True)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--output", required=True, type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, each on one thread")
    o = parser.parse_args()
    tasks = o.tasks or list(TASKS)
    if set(tasks) - set(TASKS):
        parser.error(f"TASK is one of {', '.join(TASKS)}")
    if "translation" in tasks and not (o.data / "train.tsv.gz").exists():
        sys.exit(f"{o.data}/train.tsv.gz is missing: DATA=DIRECTORY names where train.tsv.gz and test.tsv are; see data/README.md")
    table = o.output.with_suffix(".tsv")
    rows = read_rows(table)
    done = {tuple(row[:3]) for row in rows}
    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ThreadPoolExecutor(o.jobs) as pool:
        directory = pathlib.Path(scratch)
        lengths = {task: write_task(task, o.data, directory) for task in tasks}
        todo = [(t, v, s) for s in range(1, o.seeds + 1) for t in tasks for v in VARIANTS if (t, v, s) not in done]
        runs = [pool.submit(train, o.attn, t, v, s, lengths[t], directory) for t, v, s in todo]
        for at, finished in enumerate(concurrent.futures.as_completed(runs), 1):
            rows += finished.result()
            write_table(table, COLUMNS, rows)
            print(f"{at} of {len(runs)}: {rows[-1]}", flush=True)
    rows.sort(key=lambda r: (list(TASKS).index(r[0]), list(VARIANTS).index(r[1]), r[2], r[3]))
    write_table(table, COLUMNS, rows)
    for task in dict.fromkeys(row[0] for row in rows):
        plot(o.output, task, [row for row in rows if row[0] == task], o.seeds)


if __name__ == "__main__":
    main()
