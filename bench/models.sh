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
echo "training: Marian of d 256, 3 + 3 layers, feed-forward 1024, vocabulary 8000, batches of 64 x 24, fp32"
peer=yes
"$python" -c 'import torch, transformers' 2>/dev/null || peer=
for turn in 1 2; do
    "$bin/bench_train_speed" 12 | tee -a "$lines/attn"
    [ -z "$peer" ] || "$python" "$here/peers/train_pytorch.py" 12 2>/dev/null | tee -a "$lines/pytorch"
done
if [ -n "$peer" ]; then
    awk -v a="$(mean "$lines/attn")" -v p="$(mean "$lines/pytorch")" 'BEGIN { printf "ratio to PyTorch: %.2f\n", a / p }'
else
    echo "PyTorch and transformers are not installed for $python: no ratio"
fi

for family in bert vit; do
    echo "training: $family, the sizes of bench/classifier_speed.c, fp32"
    : > "$lines/attn"
    : > "$lines/pytorch"
    for turn in 1 2; do
        "$bin/bench_classifier_speed" "$family" 6 | tee -a "$lines/attn"
        [ -z "$peer" ] || "$python" "$here/peers/classifier_pytorch.py" "$family" 6 2>/dev/null | tee -a "$lines/pytorch"
    done
    [ -z "$peer" ] ||
        awk -v a="$(mean "$lines/attn")" -v p="$(mean "$lines/pytorch")" 'BEGIN { printf "ratio to PyTorch: %.2f\n", a / p }'
done

echo "training: LSTM of 512 units with attention, embedding 256, vocabulary 8000, batches of 64 x 24, fp32"
: > "$lines/attn"
: > "$lines/pytorch"
for turn in 1 2; do
    "$bin/bench_recurrent_speed" 8 | tee -a "$lines/attn"
    [ -z "$peer" ] || "$python" "$here/peers/recurrent_pytorch.py" 8 2>/dev/null | tee -a "$lines/pytorch"
done
[ -z "$peer" ] ||
    awk -v a="$(mean "$lines/attn")" -v p="$(mean "$lines/pytorch")" 'BEGIN { printf "ratio to PyTorch: %.2f\n", a / p }'

# Translating: the model and the sentences may be named, MODEL=DIR SENTENCES=FILE.
model=${MODEL:-$here/../models/tatoeba-eng-fra}
sentences=${SENTENCES:-$here/shapes/sentences.txt}
peer=yes
"$python" -c 'import ctranslate2, transformers' 2>/dev/null || peer=
for beam in 1 5; do
    echo "translation: $model, $(wc -l < "$sentences") sentences, beam $beam, fp32"
    : > "$lines/attn"
    : > "$lines/ctranslate2"
    for turn in 1 2; do
        "$bin/bench_translate_speed" "$model" "$sentences" "$beam" | tee -a "$lines/attn"
        [ -z "$peer" ] || "$python" "$here/peers/translate_ctranslate2.py" "$model" "$sentences" "$beam" 2>/dev/null |
            tee -a "$lines/ctranslate2"
    done
    if [ -n "$peer" ] && [ -s "$lines/ctranslate2" ]; then
        awk -v a="$(mean "$lines/attn")" -v p="$(mean "$lines/ctranslate2")" \
            'BEGIN { printf "ratio to CTranslate2: %.2f\n", a / p }'
    elif [ -n "$peer" ]; then
        echo "CTranslate2 did not run this model: no ratio"
    else
        echo "CTranslate2 and transformers are not installed for $python: no ratio"
    fi
done
