"""Tasks on made-up words: a source and its target, as two lists of words, drawn at a length."""

SYMBOLS = "a b c d e f g h i j k l m n o p".split()


def copy(draw, length):
    symbols = draw.choices(SYMBOLS, k=length)
    return symbols, symbols


def reverse(draw, length):
    symbols = draw.choices(SYMBOLS, k=length)
    return symbols, symbols[::-1]


def recall(draw, length):
    """Keys and their values in pairs, then one of the keys: what was its value?"""
    keys = draw.sample(SYMBOLS, min(max(1, length // 2 - 1), len(SYMBOLS)))
    values = draw.choices("0 1 2 3 4 5 6 7 8 9".split(), k=len(keys))
    asked = draw.randrange(len(keys))
    return [word for pair in zip(keys, values) for word in pair] + ["?", keys[asked]], [values[asked]]


def adding(draw, length):
    """Digits, two of them marked by a word before them: what is the sum of those two? (Hochreiter and Schmidhuber 1997, with
    digits.)"""
    digits = [draw.randrange(10) for _ in range(max(2, length - 2))]
    marked = sorted(draw.sample(range(len(digits)), 2))
    words = [word for at, digit in enumerate(digits) for word in (["x"] if at in marked else []) + [str(digit)]]
    return words, [f"s{digits[marked[0]] + digits[marked[1]]}"]


TASKS = {"copy": copy, "reverse": reverse, "recall": recall, "adding": adding}


def pairs(task, draw, lengths):
    """The text of a file of pairs, one for each length."""
    return "".join("\t".join(" ".join(side) for side in TASKS[task](draw, length)) + "\n" for length in lengths)
