"""What bench/attention_cost.c measures, in PyTorch: fused is scaled_dot_product_attention as it comes, matrices the formula as one writes it.

    python3 attention_cost_pytorch.py fused|matrices LENGTH
"""

import sys
import time

import torch

D = 64
MEASURE_SECONDS = 1.0
DOES_NOT_FIT = 3


def memory(field):
    """A field of /proc/self/status, in bytes."""
    with open("/proc/self/status", encoding="ascii") as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))


def available():
    with open("/proc/meminfo", encoding="ascii") as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))


def attend(kind, q, k, v, masked):
    if kind == "fused":
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    return torch.softmax((q @ k.transpose(-2, -1) / D**0.5).masked_fill(masked, float("-inf")), -1) @ v


def main():
    kind, n = sys.argv[1], int(sys.argv[2])
    torch.manual_seed(1)
    # The weights, the masked scores and both of their gradients.
    if kind == "matrices" and 4 * 4 * n * n > 0.7 * available():
        sys.exit(DOES_NOT_FIT)
    # What PyTorch takes once and for all is not counted.
    small = torch.ones(512, 512).triu(1).bool()
    attend(kind, *(torch.randn(1, 1, 512, D, requires_grad=True) for _ in range(3)), small).sum().backward()
    q, k, v = (torch.randn(1, 1, n, D, requires_grad=True) for _ in range(3))
    grad_o = torch.randn(1, 1, n, D)
    with open("/proc/self/clear_refs", "w", encoding="ascii") as peak:
        peak.write("5")
    before, best, end = memory("VmRSS"), float("inf"), time.monotonic() + MEASURE_SECONDS
    masked = torch.ones(n, n, dtype=torch.bool).triu_(1) if kind == "matrices" else None
    while True:
        q.grad = k.grad = v.grad = None
        start = time.monotonic()
        attend(kind, q, k, v, masked).backward(grad_o)
        best = min(best, time.monotonic() - start)
        if time.monotonic() >= end:
            break
    print(f"{n}\t{best:.6g}\t{1e-6 * (memory('VmHWM') - before):.6g}")


if __name__ == "__main__":
    main()
