#!/bin/sh
# Speed of whole models beside their peers, each in turn on the same cores; a peer that is not installed is left out.
#     models.sh BIN_DIRECTORY        PYTHON=python3 names an interpreter that has torch and transformers
set -eu
bin=$1
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}

for program in bench_train_speed bench_classifier_speed bench_recurrent_speed bench_translate_speed; do
    [ -x "$bin/$program" ] || { echo "models.sh: $bin/$program is not there: make bench-models builds it" >&2; exit 1; }
done

# The first number of each line in the file, averaged.
mean() {
    awk '{ sum += $2; n++ } END { if (n) printf "%.0f\n", sum / n; else print 0 }' "$1"
}

lines=$(mktemp -d)
trap 'rm -rf "$lines"' EXIT
peer=yes
"$python" -c 'import torch, transformers' 2>/dev/null || peer=

# ratio PEER: of the lines that are there.
ratio() {
    awk -v peer="$1" -v a="$(mean "$lines/attn")" -v p="$(mean "$lines/peer")" \
        'BEGIN { printf "ratio to %s: %.2f\n", peer, a / p }'
}

# training TITLE PROGRAM PEER ARGUMENT...: both in turn.
training() {
    echo "training: $1"
    program=$2 script=$3
    shift 3
    : > "$lines/attn"
    : > "$lines/peer"
    for turn in 1 2; do
        "$bin/$program" "$@" | tee -a "$lines/attn"
        [ -z "$peer" ] || "$python" "$here/peers/$script" "$@" 2>/dev/null | tee -a "$lines/peer"
    done
    if [ -n "$peer" ]; then
        ratio PyTorch
    else
        echo "PyTorch and transformers are not installed for $python: no ratio"
    fi
}

training 'Marian of d 256, 3 + 3 layers, feed-forward 1024, vocabulary 8000, batches of 64 x 24, fp32' \
    bench_train_speed train_pytorch.py 12
for family in bert vit; do
    training "$family, the sizes of bench/classifier_speed.c, fp32" bench_classifier_speed classifier_pytorch.py "$family" 6
done
training 'LSTM of 512 units with attention, embedding 256, vocabulary 8000, batches of 64 x 24, fp32' \
    bench_recurrent_speed recurrent_pytorch.py 8

# Translating: the model and the sentences may be named, MODEL=DIR SENTENCES=FILE.
model=${MODEL:-$here/../models/tatoeba-eng-fra}
sentences=${SENTENCES:-$here/shapes/sentences.txt}
peer=yes
"$python" -c 'import ctranslate2, transformers' 2>/dev/null || peer=
for beam in 1 5; do
    echo "translation: $model, $(wc -l < "$sentences") sentences, beam $beam, fp32"
    : > "$lines/attn"
    : > "$lines/peer"
    for turn in 1 2; do
        "$bin/bench_translate_speed" "$model" "$sentences" "$beam" | tee -a "$lines/attn"
        [ -z "$peer" ] || "$python" "$here/peers/translate_ctranslate2.py" "$model" "$sentences" "$beam" 2>/dev/null |
            tee -a "$lines/peer"
    done
    if [ -n "$peer" ] && [ -s "$lines/peer" ]; then
        ratio CTranslate2
    elif [ -n "$peer" ]; then
        echo "CTranslate2 did not run this model: no ratio"
    else
        echo "CTranslate2 and transformers are not installed for $python: no ratio"
    fi
done
