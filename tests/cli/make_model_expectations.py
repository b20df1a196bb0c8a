"""Writes data/FIXTURE_scores.tsv (source, target, natural log-probability), data/FIXTURE_greedy.tsv (source, greedy translation, its
log-probability) and data/FIXTURE_beam.tsv (number of the source from 0, each of the four translations of beam 4, its log-probability
divided by its length) for the tiny models under tests/fixtures/marian, as transformers computes them. Left alone, both go on to the
longest length; in the beams of `shared` a bias on </s> makes most of them end before.

    python3 tests/cli/make_model_expectations.py
"""
import pathlib
import random

import torch
from transformers import MarianMTModel, MarianTokenizer

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE.parent / "fixtures" / "marian"
ENDING_BIAS = 2.0
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
    """The most probable piece each time, <pad> never, with the command's limit on the length; </s> in the last place of all."""
    encoded = tokenizer([source], return_tensors="pt")
    limit = min(3 * encoded.input_ids.shape[1] + 10, model.config.max_position_embeddings)
    ids, total = [model.config.decoder_start_token_id], 0.0
    while len(ids) - 1 < limit and (len(ids) == 1 or ids[-1] != model.config.eos_token_id):
        with torch.no_grad():
            logits = model(**encoded, decoder_input_ids=torch.tensor([ids])).logits[0, -1].double()
        log_p = torch.log_softmax(logits, -1)
        log_p[model.config.pad_token_id] = -torch.inf
        if len(ids) == model.config.max_position_embeddings:
            log_p = torch.full_like(log_p, -torch.inf)
            log_p[model.config.eos_token_id] = 0
        ids.append(int(log_p.argmax()))
        total += log_p[ids[-1]].item()
    return tokenizer.decode(ids[1:], skip_special_tokens=True), total


def beam(model, tokenizer, source, size):
    """generate() as Marian searches: it ends when as many hypotheses as the beam is wide have; it forces </s> in the last place of
    all, and not where the command's limit comes before that."""
    encoded = tokenizer([source], return_tensors="pt")
    limit = min(3 * encoded.input_ids.shape[1] + 10, model.config.max_position_embeddings)
    out = model.generate(
        **encoded, num_beams=size, num_return_sequences=size, length_penalty=1.0, early_stopping=True, do_sample=False,
        max_length=limit + 1,
        forced_eos_token_id=model.config.eos_token_id if limit == model.config.max_position_embeddings else None,
        bad_words_ids=[[model.config.pad_token_id]], output_scores=True, return_dict_in_generate=True)
    texts = [tokenizer.decode(ids[1:], skip_special_tokens=True) for ids in out.sequences]
    return list(zip(texts, out.sequences_scores.tolist()))


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
    model.generation_config.forced_eos_token_id = None
    if name == "shared":
        model.final_logits_bias[0, model.config.eos_token_id] = ENDING_BIAS
    with open(HERE / "data" / f"{name}_beam.tsv", "w") as out:
        for number, (source, _) in enumerate(pairs[:20]):
            for text, score in beam(model, tokenizer, source, 4):
                print(number, text, f"{score:.6f}", sep="\t", file=out)
