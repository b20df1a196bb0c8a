"""What timed_training.c does, in PyTorch: steps of label smoothing, clipping and Adam on batches that are drawn anew."""

import sys
import time

import torch

STEPS_NOT_COUNTED = 3


def read_arguments(first):
    """Seconds, the argument at `first`, or 10; threads stand behind it."""
    if len(sys.argv) > first + 1:
        torch.set_num_threads(int(sys.argv[first + 1]))
    torch.manual_seed(1)
    return float(sys.argv[first]) if len(sys.argv) > first else 10


def time_training(model, answer, seconds, count, unit):
    """Prints how many units a second the model learns. answer(): the logits of a new batch, of `count` units, and its labels."""
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.98), eps=1e-9, weight_decay=0, fused=True)

    def step():
        optimizer.zero_grad(set_to_none=True)
        logits, expected = answer()
        loss = torch.nn.functional.cross_entropy(logits.view(-1, logits.size(-1)), expected.view(-1), label_smoothing=0.1)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()
        return loss.item()

    for _ in range(STEPS_NOT_COUNTED):
        step()
    begin, steps, least = time.monotonic(), 0, float("inf")
    while time.monotonic() - begin < seconds:
        before = time.process_time()
        loss = step()
        least = min(least, time.process_time() - before)
        steps += 1
    took = time.monotonic() - begin
    print(
        f"pytorch {steps * count / took:.0f} {unit}/s, {torch.get_num_threads()} threads, {1e3 * took / steps:.1f} ms a step, "
        f"least of the process {1e3 * least:.1f}, loss {loss:.3f}, torch {torch.__version__}"
    )
