"""What the studies share: their options, trainings side by side, a table from which a stopped study goes on, and pictures."""

import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile

PLOT = pathlib.Path(__file__).resolve().parent.parent / "tools" / "plot"


def options(description):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attn", required=True, metavar="COMMAND")
    parser.add_argument("--output", required=True, type=pathlib.Path, metavar="PREFIX")
    parser.add_argument("--quick", action="store_true",
                        help="a tenth of the steps and of the data, two seeds, and a table begun anew: shows in minutes that "
                             "the study works, not what it finds")
    parser.add_argument("--seeds", type=int, metavar="N", help="trainings of each kind, instead of the study's own number")
    parser.add_argument("--steps", type=int, metavar="N", help="of each training, instead of the study's own: to try it out")
    parser.add_argument("--jobs", type=int, metavar="N", default=len(os.sched_getaffinity(0)),
                        help="trainings at a time, each on one thread (default: as many as there are processors)")
    return parser


def read_options(parser, seeds):
    """What the command line says; seeds: how many a study has that is not quick."""
    o = parser.parse_args()
    o.seeds = o.seeds or (2 if o.quick else seeds)
    o.output.parent.mkdir(parents=True, exist_ok=True)
    return o


def sized(o, number):
    """How many steps, sentences or the like there are: a tenth in a quick run."""
    return max(1, number // 10) if o.quick else number


def corpus(path):
    """The directory of the translation pairs, or the end."""
    if not (path / "train.tsv.gz").exists():
        sys.exit(f"{path}/train.tsv.gz is missing: DATA=DIRECTORY names where it, valid.tsv and test.tsv are; see data/README.md")
    return path


def run(command):
    """What the command prints; the end if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def read_table(path, columns):
    """The rows of a table with these columns, {name: type}; none where there is no table yet."""
    if not path.exists():
        return []
    names, *rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    if names != list(columns):
        sys.exit(f"{path}: the columns are {', '.join(names)}, expected {', '.join(columns)}: move it away to begin anew")
    return [[kind(field) for kind, field in zip(columns.values(), row, strict=True)] for row in rows]


def write_table(path, columns, rows):
    """Whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text("\n".join("\t".join(map(str, row)) for row in [columns] + rows) + "\n", encoding="utf-8")
    part.replace(path)


def go_on(o, columns, wanted, train):
    """Trains what of `wanted` is missing from the table; returns all rows, in the order of `wanted`.

    columns: {name: type}. wanted: the first fields of each training's rows, which say which one it is. train(*wanted)
    gives a training's rows; the table is written after each."""
    path = o.output.with_suffix(".tsv")
    rows = [] if o.quick else read_table(path, columns)
    width = len(wanted[0])
    done = {tuple(row[:width]) for row in rows}
    pool = concurrent.futures.ThreadPoolExecutor(o.jobs)
    runs = [pool.submit(train, *key) for key in wanted if key not in done]
    try:
        for at, finished in enumerate(concurrent.futures.as_completed(runs), 1):
            rows += finished.result()
            write_table(path, list(columns), rows)
            print(f"{at} of {len(runs)}: {rows[-1]}", flush=True)
    finally:
        pool.shutdown(cancel_futures=True)
    place = {key: at for at, key in enumerate(wanted)}
    rows.sort(key=lambda row: place.get(tuple(row[:width]), len(wanted)))
    write_table(path, list(columns), rows)
    return rows


def draw(path, points, title, x_label, y_label, *more):
    """points: (series, x, y), several of the same series and x being the seeds."""
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8") as table:
        table.write("\n".join("\t".join(map(str, row)) for row in [("series", "x", "y"), *points]) + "\n")
        table.flush()
        subprocess.run([PLOT, table.name, "-o", path, "--title", title, "--x-label", x_label, "--y-label", y_label, *more],
                       check=True)
