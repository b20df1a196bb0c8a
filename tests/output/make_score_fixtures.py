"""Writes data/scores.json: 13a tokens, BLEU and chrF of odd and ordinary corpora, as sacreBLEU 2.x gives them, and words and
ROUGE as rouge_score 0.1.2 does without its stemmer.

    python3 tests/output/make_score_fixtures.py
"""
import json
import pathlib
import random

import sacrebleu
from rouge_score import rouge_scorer, tokenizers
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

HERE = pathlib.Path(__file__).parent

LINES = [
    "", " ", ".", ",", "..", "...", ".,.,", "a.", ".a", "1.", ".1", "1.5", "1,000.00", "1,000.", "a.b,c", "1-2", "1--2", "-1", "a-b",
    "-", "--", "1-", "don't", "l'été", "L’été — c’est « fini » !", "Hello, world!", "(a[b]{c}<d>)", "&quot;x&quot; &amp; &lt;y&gt;",
    "&amp;lt;", "&amp;quot;", "&amp;amp;", "a & b", "<skipped>", "a<skipped>b", "<ski<skipped>pped>", "x-\ny", "x-\n", "x\ny", "\n",
    "a\tb\rc\fd\ve", "a\u00a0b\u2009c\u3000d", "x\u1680y\u205fz\u202f.", "\u200bzero\u200bwidth\u200b", "a\u0085b\u2028c\u2029d", "\x1ca\x1d\x1e\x1fb",
    "日本語。テスト、1,2。", "你好,世界.", "é.é,é", "١٢٣.٤٥", "٣,٤", "½.5", "²,3", "\U0001f600.\U0001f600", "e\u0301.", "ﬁ.ﬂ", "\ufeffBOM.",
    "#$%&*+/:;=?@\\^_`|~", "$5.00", "5%", "http://a.b/c?d=e&f=g", "a@b.com", "12:30", "3/4", "Mr. Smith's 3.14, ok?", "3.a", "a.3", "3.,4", "3,.4",
    "4.-5", "4-.5", "4-,", "9-9-9", "9.9.9", "9..9", "9,,9", ".9.", ",9,", "  lead", "trail  ", "trail\u00a0\u2003", "trail-\n ", "é-1", "1-é",
    "\u0660-1", "A.B.C.", "U.S.A., etc.", "\"quoted\"", "''", "'.'", "'1.'", "a'.b", "-.-", ".-.", "1.-\n2", "\u00ad.", "\ue000,", "\U0010ffff.1",
    "&lt;skipped&gt;", "&quot", "&;", "&amp", "fin.\n", "\n\nfin", "«1.5»", "n°1.", "1°.", "…", "1…2", "·.·",
]

WORDS = "le la un une chat chien mange dort . , ! ? 1.5 2,000 l'eau (oui) \"non\" — été 日本 & 3-4 a".split()


def corpus(seed, size, references, vary=False, noise=0.3, longest=20):
    rng = random.Random(seed)
    segments = []
    for _ in range(size):
        base = [rng.choice(WORDS) for _ in range(rng.randrange(0, longest))]
        def variant():
            words = [rng.choice(WORDS) if rng.random() < noise else w for w in base]
            if words and rng.random() < noise:
                del words[rng.randrange(len(words))]
            return rng.choice([" ", " ", " ", ""]).join(words) if rng.random() < 0.1 else " ".join(words)
        count = rng.randrange(1, references + 1) if vary else references
        segments.append((variant(), [variant() for _ in range(count)]))
    return segments


ROUGE = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=False)
ROUGE_WORDS = tokenizers.DefaultTokenizer(use_stemmer=False)


def rouge(segments):
    """The mean F1 over the segments, of several references the best, as percentages."""
    means = {}
    for key in ROUGE.rouge_types:
        best = [max(ROUGE.score(r, h)[key].fmeasure for r in references) for h, references in segments]
        means[key] = 100 * sum(best) / len(best)
    return means


def score(name, segments):
    most = max(len(r) for _, r in segments)
    hypotheses = [h for h, _ in segments]
    streams = [[r[i] if i < len(r) else None for _, r in segments] for i in range(most)]
    bleu, chrf = BLEU(), CHRF()
    b = bleu.corpus_score(hypotheses, streams)
    c = chrf.corpus_score(hypotheses, streams)
    return {
        "name": name,
        "segments": [{"hypothesis": h, "references": r} for h, r in segments],
        "bleu": b.score, "precisions": b.precisions, "bp": b.bp, "hyp_len": b.sys_len, "ref_len": b.ref_len,
        "bleu_line": b.format(signature=str(bleu.get_signature())),
        "chrf": c.score, "chrf_line": c.format(signature=str(chrf.get_signature())),
        **rouge(segments),
    }


CORPORA = [
    ("one reference", corpus(1, 40, 1)),
    ("three references", corpus(2, 40, 3)),
    ("varying references", corpus(3, 40, 4, vary=True)),
    ("nothing alike", corpus(4, 10, 1, noise=1.0)),
    ("short: no 4-gram matches", corpus(5, 6, 1, noise=0.9, longest=6)),
    ("shorter than four words", [("le chat", ["le chat"]), ("un", ["un chien"])]),
    ("no match at all", [("x y z", ["a b c"])]),
    ("identical", [("Le chat mange la souris grise.", ["Le chat mange la souris grise."])]),
    ("empty output", [("", ["le chat dort"]), ("le chat dort ici", ["le chat dort là"])]),
    ("only empty output", [("", ["le chat"])]),
    ("empty reference", [("le chat dort ici", [""]), ("un chien", ["un chien"])]),
    ("both empty", [("", [""])]),
    ("equally close lengths", [("a b c d", ["a b c", "a b c d e"]), ("a b c d", ["a b c d e", "a b c"])]),
    ("repeated words clip", [("the the the the the the the", ["the cat is on the mat", "there is a cat on the mat"])]),
    ("characters of three alphabets", [("猫が魚を食べる。", ["猫は魚を食べた。"]), ("Кошка ест.", ["Кошка ест рыбу."]), ("l’été\u00a0!", ["l'été !"])]),
    ("odd lines", [(a, [b]) for a, b in zip(LINES, LINES[1:] + LINES[:1])]),
    ("odd lines against themselves", [(a, [a, a + " x"]) for a in LINES]),
]

tokenizer = Tokenizer13a()
fixtures = {
    "sacrebleu": sacrebleu.__version__,
    "rouge_words": [[line, " ".join(ROUGE_WORDS.tokenize(line))] for line in [*LINES, "\u212aelvin X\u0130Y\u0130", "\u0130", "a1B2-c3"]],
    "tokens": [[line, tokenizer(line.rstrip())] for line in LINES],
    "corpora": [score(name, segments) for name, segments in CORPORA],
}
(HERE / "data").mkdir(exist_ok=True)
(HERE / "data" / "scores.json").write_text(json.dumps(fixtures, ensure_ascii=True, indent=0) + "\n")
