#!/bin/sh
# The studies train what their table lacks and nothing else, and draw all of it. Each is given a table that lacks one
# training, which is then made for real, two steps long. A quick study makes all of its trainings, whatever table is there.
set -eu
command -v python3 >/dev/null || exit 77
attn=$BUILD/bin/attn
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail() { echo "$1"; exit 1; }

# check PROGRAM TABLE PICTURE LINES ARGUMENT...: LINES is what the table has in the end.
check() {
    program=$1 table=$2 picture=$3 lines=$4
    shift 4
    cp "$scratch/$table.tsv" "$scratch/before"
    "$SOURCE/bench/$program.py" "$@" --attn "$attn" --output "$scratch/$table" --seeds 1 --steps 2 >"$scratch/told" ||
        fail "$program failed"
    [ "$(grep -c '^1 of 1: ' "$scratch/told")" -eq 1 ] || fail "$program: not one training: $(cat "$scratch/told")"
    [ "$(wc -l <"$scratch/$table.tsv")" -eq "$lines" ] || fail "$program: $(wc -l <"$scratch/$table.tsv") lines, expected $lines"
    while read -r row; do
        grep -qxF "$row" "$scratch/$table.tsv" || fail "$program lost: $row"
    done <"$scratch/before"
    grep -q '</svg>' "$scratch/$picture.svg" || fail "$program drew no $picture.svg"
}

{
    printf 'variant\trate\tseed\tstep\tloss\tbleu\tentropy\n'
    for rate in 0.003 0.006 0.012 0.024; do
        for variant in 'as it is' 'soft cap' 'QK norm'; do
            [ "$rate $variant" = '0.006 QK norm' ] || printf '%s\t%s\t1\t800\t1.5\t3.0\t0.5\n' "$variant" "$rate"
        done
    done
} >"$scratch/stability.tsv"
check stability_study stability stability_entropy 13

{
    printf 'task\tvariant\tseed\tlength\tscore\n'
    for length in 5 10 15 20 25 30; do
        printf 'recall\tLSTM\t1\t%s\t50.0\nrecall\tTransformer\t1\t%s\t50.0\n' $length $length
    done
} >"$scratch/longrange.tsv"
check longrange_study longrange longrange_recall 19 --data "$scratch" recall

mkdir "$scratch/data"
awk 'BEGIN { srand(1); for (i = 0; i < 2000; i++) { s = t = ""; for (j = 0; j < 5; j++) { n = int(300 * rand()); s = s " a" n; t = t " b" n }
    print substr(s, 2) "\t" substr(t, 2) } }' >"$scratch/data/valid.tsv"
gzip -c "$scratch/data/valid.tsv" >"$scratch/data/train.tsv.gz"
{
    printf 'variant\tseed\tstep\tloss\tbleu\n'
    printf 'dropout 0\t1\t200\t4.5\t0.1\ndropout 0.3\t1\t200\t4.5\t0.1\n'
} >"$scratch/dropout.tsv"
check training_study dropout dropout 4 dropout --data "$scratch/data"

"$SOURCE/bench/training_study.py" dropout --quick --data "$scratch/data" --attn "$attn" --output "$scratch/dropout" >"$scratch/told" ||
    fail "a quick study failed"
grep -q '^6 of 6: ' "$scratch/told" || fail "a quick study is not three variants of two seeds: $(cat "$scratch/told")"
cut -f 3 "$scratch/dropout.tsv" | sort -u | tr '\n' ' ' | grep -qxF '12 16 20 4 8 step ' ||
    fail "a quick study's validations are not those of a tenth of 200 steps: $(cat "$scratch/dropout.tsv")"
grep -q '</svg>' "$scratch/dropout.svg" || fail "a quick study drew nothing"

# None of them writes over the figures of the whole ones.
for study in cost longrange parameters dropout stability; do
    told=$(make --no-print-directory -n -C "$SOURCE" QUICK=1 PRESET=release "study-$study" | tail -1)
    case $told in
    *doc/*) fail "make QUICK=1 study-$study would write into doc: $told" ;;
    *"build/release/quick/$study"*) ;;
    *) fail "make QUICK=1 study-$study would write elsewhere: $told" ;;
    esac
    case $told in *' --quick'*) ;; *) fail "make QUICK=1 study-$study would not be quick: $told" ;; esac
done
