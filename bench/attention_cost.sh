#!/bin/sh
# What attention costs by length, ours beside the plain way and PyTorch, each measurement in a process of its own:
#     attention_cost.sh [--quick] BIN_DIRECTORY RESULTS [LENGTH...]      PYTHON=python3 names an interpreter that has torch
# writes RESULTS.tsv (way, length, seconds, megabytes), RESULTS_time.svg and RESULTS_memory.svg. A way ends at the length
# whose matrices do not fit the memory. --quick: short lengths, to see in a minute that it works.
set -eu
all='1024 2048 4096 8192 16384 32768 65536 131072'
[ "$1" != --quick ] || { all='512 1024 2048 4096'; shift; }
bin=$1 results=$2
shift 2
lengths=${*:-$all}
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}

# measure WAY COMMAND...: a row for each length.
measure() {
    way=$1
    shift
    for length in $lengths; do
        status=0
        row=$("$@" "$length") || status=$?
        [ "$status" -ne 3 ] || { echo "$way: $length does not fit" >&2; return 0; }
        [ "$status" -eq 0 ] || return "$status"
        printf '%s\t%s\n' "$way" "$row" | tee -a "$results.tsv"
    done
}

# plot COLUMN NAME LABEL
plot() {
    awk -F '\t' -v OFS='\t' -v y="$1" 'NR == 1 { print "series", "x", "y" } NR > 1 { print $1, $2, $y }' "$results.tsv" |
        "$python" "$here/../tools/plot" --x-label 'length / tokens' --y-label "$3" --log-x --log-y - -o "${results}_$2.svg"
}

mkdir -p "$(dirname "$results")"
printf 'way\tlength\tseconds\tmegabytes\n' > "$results.tsv"
measure 'attn' "$bin/bench_attention_cost" tiled
measure 'attn, window of 1,024' "$bin/bench_attention_cost" window
measure 'plain matrices' "$bin/bench_attention_cost" matrices
if "$python" -c 'import torch' 2>/dev/null; then
    measure 'PyTorch, fused' "$python" "$here/peers/attention_cost_pytorch.py" fused
    measure 'PyTorch, matrices' "$python" "$here/peers/attention_cost_pytorch.py" matrices
else
    echo "PyTorch is not installed for $python: left out" >&2
fi
plot 3 time 'seconds, forward and backward'
plot 4 memory 'megabytes beyond the inputs'
