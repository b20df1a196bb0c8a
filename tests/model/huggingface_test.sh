#!/bin/sh
# A model trained here opens in transformers and computes the same there, and so does one that transformers saved and that
# was fine-tuned here. PYTHON names a Python that has transformers; skipped without one.
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

# Fine-tuned from what transformers saved.
"$python" - "$scratch" <<'END'
import math, os, struct, sys, wave
import torch
from transformers import BartConfig, BartForConditionalGeneration
torch.manual_seed(1)
sizes = dict(d_model=32, encoder_layers=2, decoder_layers=1, encoder_attention_heads=4, decoder_attention_heads=2,
             encoder_ffn_dim=48, decoder_ffn_dim=40, max_position_embeddings=40)
for name in "byte_level", "merges_txt":
    BartForConditionalGeneration(BartConfig(vocab_size=420, **sizes)).save_pretrained(f"{sys.argv[1]}/{name}")
for i in range(12):
    folder = f"{sys.argv[1]}/sounds/LABEL_{i % 3}"
    os.makedirs(folder, exist_ok=True)
    with wave.open(f"{folder}/{i}.wav", "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        step = 2 * math.pi * (200 + 900 * (i % 3) + i) / 16000
        file.writeframes(b"".join(struct.pack("<h", int(8000 * math.sin(step * t))) for t in range(2900)))
END
head -20 "$scratch/pairs.tsv" >"$scratch/few.tsv"
tune() { # VERB FROM EXAMPLES [TEXTS]
    "$BUILD/bin/attn" train "$1" --from "$2" --train "$3" --model "$scratch/tuned" --force --steps 10 --rate 0.002 \
        2>"$scratch/log" || { cat "$scratch/log"; exit 1; }
    "$python" "$SOURCE/tools/check-huggingface" --build "$BUILD" "$scratch/tuned" ${4+"$4"}
}
for kind in byte_level merges_txt; do
    cp "$SOURCE/tests/fixtures/tokenizers/$kind/"* "$scratch/$kind"
    tune summarize "$scratch/$kind" "$scratch/pairs.tsv" "$scratch/few.tsv"
done
for kind in shared separate; do
    tune translate "$SOURCE/tests/fixtures/marian/$kind" "$scratch/pairs.tsv" "$scratch/few.tsv"
done
for kind in apart overlap; do
    tune classify "$SOURCE/tests/fixtures/ast/$kind" "$scratch/sounds"
done
