"""Writes data/FIXTURE_scores.tsv (source, target, natural log-probability) and data/FIXTURE_greedy.tsv (source, greedy translation, its
log-probability) for the tiny models under tests/fixtures/marian, as transformers computes them.

    python3 tests/cli/make_model_expectations.py
"""
import pathlib
import random

import torch
from transformers import MarianMTModel, MarianTokenizer

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE.parent / "fixtures" / "marian"
LETTERS = "abcdefghijklmnopqrstuvwxyz.,!?éß日 "


def sentence(rng, longest):
    return " ".join("".join(rng.choice(LETTERS) for _ in range(rng.randrange(1, 5))) for _ in range(rng.randrange(1, longest))).strip()


def log_probability(model, tokenizer, source, target):
    encoded = tokenizer([source], return_tensors="pt")
    labels = tokenizer(text_target=[target], return_tensors="pt").input_ids
    with torch.no_grad():
        logits = model(**encoded, labels=labels).logits
    return torch.log_softmax(logits.double(), -1)[0].gather(1, labels[0][:, None]).sum().item()


def greedy(model, tokenizer, source):
    """The most probable piece each time, <pad> never, with the command's limit on the length."""
    encoded = tokenizer([source], return_tensors="pt")
    limit = min(3 * encoded.input_ids.shape[1] + 10, model.config.max_position_embeddings)
    ids, total = [model.config.decoder_start_token_id], 0.0
    while len(ids) - 1 < limit and (len(ids) == 1 or ids[-1] != model.config.eos_token_id):
        with torch.no_grad():
            logits = model(**encoded, decoder_input_ids=torch.tensor([ids])).logits[0, -1].double()
        log_p = torch.log_softmax(logits, -1)
        log_p[model.config.pad_token_id] = -torch.inf
        ids.append(int(log_p.argmax()))
        total += log_p[ids[-1]].item()
    return tokenizer.decode(ids[1:], skip_special_tokens=True), total


for name in ("shared", "separate"):
    rng = random.Random(7)
    model = MarianMTModel.from_pretrained(FIXTURES / name, dtype=torch.float32).eval()
    tokenizer = MarianTokenizer.from_pretrained(FIXTURES / name)
    pairs = []
    while len(pairs) < 40:
        pair = sentence(rng, 6), sentence(rng, 6)
        sizes = len(tokenizer(pair[0]).input_ids), len(tokenizer(text_target=pair[1]).input_ids)
        if all(pair) and max(sizes) <= model.config.max_position_embeddings:
            pairs.append(pair)
    with open(HERE / "data" / f"{name}_scores.tsv", "w") as out:
        for source, target in pairs:
            print(source, target, f"{log_probability(model, tokenizer, source, target):.6f}", sep="\t", file=out)
    with open(HERE / "data" / f"{name}_greedy.tsv", "w") as out:
        for source, _ in pairs:
            text, total = greedy(model, tokenizer, source)
            print(source, text, f"{total:.6f}", sep="\t", file=out)
