#!/bin/sh
# A model trained here opens in transformers and computes the same there. PYTHON names a Python that has transformers;
# skipped without one.
set -eu
python=${PYTHON:-python3}
"$python" -c 'import torch, transformers' 2>/dev/null || exit 77
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for animal in cat dog bird fish horse; do
    for verb in sees likes finds follows; do
        for thing in 'the moon' 'an apple' 'a river' 'the old house' 'my two keys'; do
            printf 'The %s %s %s.\t%s %s la %s !\n' "$animal" "$verb" "$thing" "$thing" "$verb" "$animal"
        done
    done
done >"$scratch/pairs.tsv"
for format in fp32 bf16; do
    "$BUILD/bin/attn" train translate --train "$scratch/pairs.tsv" --valid "$scratch/pairs.tsv" --model "$scratch/$format" \
        --vocab 60 --dim 32 --heads 4 --layers 2 --ffn 64 --steps 60 --valid-every 30 --format "$format" 2>"$scratch/log" ||
        { cat "$scratch/log"; exit 1; }
    "$python" "$SOURCE/tools/check-huggingface" --build "$BUILD" "$scratch/$format" "$scratch/pairs.tsv"
done

"$BUILD/bin/attn" train summarize --train "$scratch/pairs.tsv" --valid "$scratch/pairs.tsv" --model "$scratch/bart" --vocab 80 \
    --dim 32 --heads 4 --layers 2 --ffn 64 --max-length 24 --denoise 20 --steps 60 --valid-every 30 2>"$scratch/log" ||
    { cat "$scratch/log"; exit 1; }
"$python" "$SOURCE/tools/check-huggingface" --build "$BUILD" "$scratch/bart" "$scratch/pairs.tsv"

for label in good bad; do
    for animal in cat dog bird fish horse; do
        for verb in sees likes finds follows; do
            printf '%s\tThe %s %s %s things.\n' "$label" "$animal" "$verb" "$label"
        done
    done
done >"$scratch/labelled.tsv"
"$BUILD/bin/attn" train classify --train "$scratch/labelled.tsv" --valid "$scratch/labelled.tsv" --model "$scratch/bert" \
    --vocab 60 --dim 32 --heads 4 --layers 2 --ffn 64 --steps 40 --valid-every 20 2>"$scratch/log" ||
    { cat "$scratch/log"; exit 1; }
"$python" "$SOURCE/tools/check-huggingface" --build "$BUILD" "$scratch/bert" "$scratch/labelled.tsv"
