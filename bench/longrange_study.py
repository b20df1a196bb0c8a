#!/usr/bin/env python3
"""What recurrent networks forget over distance, and what attention does about it.

    longrange_study.py --attn COMMAND --data DIRECTORY --output PREFIX [--quick] [--seeds N] [--steps N] [--jobs N] [TASK...]

Trains an LSTM without attention, one with it and a Transformer on tasks that made_up_tasks.py makes up, at lengths up to 15, and
asks them at lengths up to 30; and on translation, asked by length of the source, as in figure 2 of Bahdanau et al. 2015.
TASKs are translation, copy, reverse, recall, adding; all of them unless some are named. DIRECTORY holds train.tsv.gz
(see data/README.md); the sentences that are asked are held out of it, as its test set has few long ones. PREFIX.tsv has
a line for every run and length, and is where a study that was stopped goes on; the pictures are PREFIX_TASK.svg. Nothing
but Python's standard library is needed.
"""

import gzip
import json
import pathlib
import random
import statistics
import tempfile

from made_up_tasks import TASKS as MADE_UP
from made_up_tasks import pairs
from study_runs import corpus, draw, go_on, options, read_options, run, sized

COLUMNS = {"task": str, "variant": str, "seed": int, "length": int, "score": float}
TASKS = ["translation", *MADE_UP]
TRAINED, ASKED, QUESTIONS = 15, (5, 10, 15, 20, 25, 30), 100
# Trained at these lengths the models have 32 positions; a mark of adding's may take two of them, so that 30 words do not fit.
FITTING = {"adding": ASKED[:-1]}
# Words of the source, and how many sources of each bucket are held out: at most half of what there is.
BUCKETS, HELD_OUT = ((1, 4), (5, 8), (9, 12), (13, 16), (17, 20), (21, 30)), 200

COMMON = ["--threads", "1", "--quiet", "--epochs", "0", "--patience", "0", "--average", "0.99"]
MADE_UP_OPTIONS = ["--vocab", "60", "--batch-tokens", "1000", "--warmup", "200", "--dropout", "0", "--label-smoothing", "0"]
TRANSLATION_OPTIONS = ["--vocab", "2000", "--batch-tokens", "2000", "--warmup", "300", "--compute", "bf16"]
STEPS = {"translation": 1200, "copy": 800, "reverse": 800, "recall": 800, "adding": 800}
ARCHITECTURES = {
    "LSTM": ["--arch", "lstm", "--attention", "none"],
    "LSTM with attention": ["--arch", "lstm", "--attention", "general"],
    "Transformer": ["--heads", "4", "--layers", "2"],
}
LSTM_SIZES = {True: ["--dim", "64", "--rate", "0.008"], False: ["--dim", "128", "--rate", "0.004"]}
TRANSFORMER_SIZES = {True: ["--dim", "64", "--ffn", "128", "--rate", "0.004"],
                     False: ["--dim", "128", "--ffn", "256", "--rate", "0.003"]}


def write_made_up(o, task, directory):
    """The training pairs, and a file of questions for every length."""
    source = random.Random(f"{task} questions")
    text = pairs(task, source, [source.randint(1, TRAINED) for _ in range(sized(o, 20000))])
    (directory / f"{task}.tsv").write_text(text, encoding="utf-8")
    lengths = FITTING.get(task, ASKED)
    for length in lengths:
        (directory / f"{task}-{length}.tsv").write_text(pairs(task, source, [length] * sized(o, QUESTIONS)), encoding="utf-8")
    return lengths


def hold_out(sources, most):
    """{longest: the sources asked} of each bucket."""
    asked = {}
    for low, high in BUCKETS:
        within = [s for s in sources if low <= len(s.split()) <= high]
        asked[high] = set(random.Random(f"{low} to {high}").sample(within, min(most, len(within) // 2)))
    return asked


def write_translation(o, directory):
    with gzip.open(corpus(o.data) / "train.tsv.gz", "rt", encoding="utf-8") as lines:
        texts = [line.rstrip("\n").split("\t")[:2] for line in lines]
    texts = texts[::10] if o.quick else texts
    asked = hold_out(list(dict.fromkeys(source for source, _ in texts)), sized(o, HELD_OUT))
    held = set().union(*asked.values())
    files = {"translation.tsv": [p for p in texts if p[0] not in held]}
    files |= {f"translation-{high}.tsv": [p for p in texts if p[0] in sources] for high, sources in asked.items()}
    for name, kept in files.items():
        (directory / name).write_text("".join("\t".join(p) + "\n" for p in kept), encoding="utf-8")
    return tuple(asked)


def score(attn, task, model, questions):
    """BLEU, or the percentage of answers that are right from beginning to end."""
    if task == "translation":
        return json.loads(run([attn, "eval", "-m", model, "-b", "1", "--threads", "1", "--json", questions]))["bleu"]
    asked = [line.split("\t") for line in questions.read_text(encoding="utf-8").splitlines()]
    sources = pathlib.Path(f"{model}.txt")
    sources.write_text("".join(f"{source}\n" for source, _ in asked), encoding="utf-8")
    answers = run([attn, "translate", "-m", model, "-b", "1", "--threads", "1", sources]).splitlines()
    return 100 * statistics.fmean(answer == target for answer, (_, target) in zip(answers, asked, strict=True))


def train(o, lengths, directory, task, variant, seed):
    """One training's rows."""
    model, made_up = directory / f"{task}-{variant}-{seed}".replace(" ", "-"), task in MADE_UP
    sizes = TRANSFORMER_SIZES[made_up] if variant == "Transformer" else LSTM_SIZES[made_up]
    run([o.attn, "train", "translate", "--train", directory / f"{task}.tsv", "--model", model, "--seed", str(seed),
         "--steps", str(o.steps or sized(o, STEPS[task]))] + COMMON + (MADE_UP_OPTIONS if made_up else TRANSLATION_OPTIONS)
        + ARCHITECTURES[variant] + sizes)
    return [[task, variant, seed, n, score(o.attn, task, model, directory / f"{task}-{n}.tsv")] for n in lengths[task]]


def draw_task(prefix, task, rows):
    names = {"copy": "Copying", "reverse": "Reversing", "recall": "Recalling a value by its key",
             "adding": "Adding two marked digits", "translation": "Translating"}
    translation = task == "translation"
    counts = {len({row[2] for row in rows if row[1] == variant}) for _, variant, *_ in rows}
    draw(f"{prefix}_{task}.svg", [(variant, length, y) for _, variant, _, length, y in rows],
         f"{names[task]}, mean and 95 % interval of {' to '.join(map(str, sorted(counts)))} seeds",
         "words of the source, at most" if translation else f"length (trained on 1 to {TRAINED})",
         "BLEU" if translation else "answers wholly right / %", "--spread", "ci", "--from-zero")


def summarize(rows):
    """One line a task and network, for doc/results.md: at each length the mean and standard deviation of the seeds."""
    for task, variant in dict.fromkeys((row[0], row[1]) for row in rows):
        mine = [row for row in rows if row[:2] == [task, variant]]
        line = f"{task}, {variant}, {len({row[2] for row in mine})} trainings"
        for length in dict.fromkeys(row[3] for row in mine):
            scores = [row[4] for row in mine if row[3] == length]
            line += f" | {length}: {statistics.fmean(scores):.1f}"
            line += f" +- {statistics.stdev(scores):.1f}" if len(scores) > 1 else ""
        print(line)


def main():
    parser = options(__doc__)
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=", ".join(TASKS))
    parser.add_argument("--data", required=True, type=pathlib.Path)
    o = read_options(parser, 3)
    tasks = o.tasks or TASKS
    if set(tasks) - set(TASKS):
        parser.error(f"TASK is one of {', '.join(TASKS)}")
    wanted = [(t, v, s) for s in range(1, o.seeds + 1) for t in tasks for v in ARCHITECTURES]
    with tempfile.TemporaryDirectory() as scratch:
        directory = pathlib.Path(scratch)
        lengths = {t: write_translation(o, directory) if t == "translation" else write_made_up(o, t, directory)
                   for t in tasks}
        rows = go_on(o, COLUMNS, wanted, lambda *key: train(o, lengths, directory, *key))
    for task in dict.fromkeys(row[0] for row in rows):
        draw_task(o.output, task, [row for row in rows if row[0] == task])
    summarize(rows)


if __name__ == "__main__":
    main()
