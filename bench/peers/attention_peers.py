"""Attention in this library, PyTorch, ONNX Runtime and JAX, in turn on the same shapes and cores in one process.

    attention_peers.py [--rows TEXT] [--seconds S] [--threads N] [--output doc/benchmarks]

Everybody is called from Python, ours through the package libattn, with arrays in the layout each likes best, and is
timed by the same clock: the least time of a call over rounds in which each runs for a moment in turn, after a call that
is not counted. On one core that is
the time which the process ran, all of its threads together, which other programs do not lengthen; on more the clock's.
Results are compared before anything is timed. OUTPUT.md gets the table, OUTPUT.svg the plot; a peer that is not installed, or that
does not offer a row, is named there.
"""

import argparse
import datetime
import os
import subprocess
import sys
import time
from pathlib import Path

ROUND_SECONDS = 0.02
TOLERANCE = 1e-3

# direction, B, H, HK, T, S, D, option
ROWS = [
    ("forward", 1, 8, 8, 1024, 1024, 64, ""),
    ("forward", 1, 8, 8, 1024, 1024, 128, ""),
    ("forward", 1, 8, 8, 1024, 1024, 64, "causal"),
    ("forward", 1, 8, 8, 1024, 1024, 128, "causal"),
    ("forward", 1, 8, 8, 1024, 1024, 64, "bias"),
    ("forward", 1, 2, 2, 4096, 4096, 64, ""),
    ("forward", 1, 8, 2, 1024, 1024, 64, ""),
    ("forward", 32, 8, 8, 64, 64, 64, ""),
    ("forward", 64, 12, 12, 32, 32, 64, ""),
    ("forward", 1, 1, 1, 16, 16, 64, ""),
    ("backward", 1, 8, 8, 1024, 1024, 64, ""),
    ("backward", 1, 8, 8, 1024, 1024, 128, ""),
    ("backward", 1, 8, 8, 1024, 1024, 64, "causal"),
    ("backward", 32, 8, 8, 64, 64, 64, ""),
    ("decode", 1, 8, 8, 1, 8192, 128, ""),
    ("decode", 1, 32, 8, 1, 8192, 128, ""),
    ("decode", 16, 8, 8, 1, 512, 64, ""),
]


def parse_arguments():
    parser = argparse.ArgumentParser(description="Attention here and in its peers, in turn.")
    parser.add_argument("--rows", default="", help="only rows whose name has this in it")
    parser.add_argument("--seconds", type=float, default=0.6, help="for each row and library")
    parser.add_argument("--threads", type=int, default=1, help="of each library, on as many cores")
    parser.add_argument("--output", type=Path, help="write OUTPUT.md and OUTPUT.svg")
    parser.add_argument("--small", action="store_true", help="tiny shapes: whether everything runs")
    return parser.parse_args()


def row_name(row):
    direction, B, H, HK, T, S, D, option = row
    heads = f"{H}" if H == HK else f"{H}/{HK}"
    return f"{direction} B{B} H{heads} {T}x{S} D{D}" + (f" {option}" if option else "")


class Ours:
    """libattn: (B, H, T, D) arrays of NumPy."""

    def __init__(self, threads):
        import libattn

        self.attn, self.threads = libattn, threads
        self.name = f"libattn {libattn.__version__}"

    def prepare(self, row, arrays):
        direction, _, H, HK, _, S, _, option = row
        q, k, v, grad, bias = arrays
        attend, options = self.attn.scaled_dot_product_attention, {"threads": self.threads, "enable_gqa": H != HK}
        if option == "causal":
            options["is_causal"] = True
        if option == "bias":
            options["attn_mask"] = bias
        if direction == "decode":
            cache = self.attn.KVCache(k, v, [S] * k.shape[0])
            return lambda: [cache.decode(q, threads=self.threads)]
        if direction == "forward":
            return lambda: [attend(q, k, v, **options)]
        out, lse = attend(q, k, v, return_lse=True, **options)

        def backward():
            gradients = self.attn.attention_backward(grad, q, k, v, out, lse, **options)
            return [gradients["query"], gradients["key"], gradients["value"]]

        return backward


class PyTorch:
    """scaled_dot_product_attention on (B, H, T, D) tensors; backward alone, from a graph that is kept."""

    def __init__(self, threads):
        import torch

        torch.set_num_threads(threads)
        self.torch = torch
        self.name = f"PyTorch {torch.__version__}"

    def prepare(self, row, arrays):
        torch = self.torch
        direction, _, H, HK, _, _, _, option = row
        q, k, v, grad, bias = (torch.from_numpy(x) for x in arrays)
        options = {"is_causal": option == "causal", "enable_gqa": H != HK}
        if option == "bias":
            options["attn_mask"] = bias
        attend = torch.nn.functional.scaled_dot_product_attention
        if direction != "backward":
            def forward():
                with torch.no_grad():
                    return [attend(q, k, v, **options)]

            return forward
        inputs = [x.clone().requires_grad_(True) for x in (q, k, v)]
        out = attend(*inputs, **options)
        return lambda: torch.autograd.grad(out, inputs, grad, retain_graph=True)

    def as_ours(self, results):
        return [x.numpy() for x in results]


class OnnxRuntime:
    """The contrib operator MultiHeadAttention, on (B, T, H * D) arrays."""

    def __init__(self, threads):
        import onnx
        import onnxruntime

        self.onnx, self.runtime, self.threads = onnx, onnxruntime, threads
        self.name = f"ONNX Runtime {onnxruntime.__version__}"

    def session(self, row):
        helper, number = self.onnx.helper, self.onnx.TensorProto.FLOAT
        _, B, H, _, T, S, D, option = row
        names = ["query", "key", "value"] + (["", "", "bias"] if option == "bias" else [])
        shapes = {"query": (B, T, H * D), "key": (B, S, H * D), "value": (B, S, H * D), "bias": (1, 1, T, S)}
        node = helper.make_node("MultiHeadAttention", names, ["out"], domain="com.microsoft", num_heads=H,
                                unidirectional=int(option == "causal"))
        graph = helper.make_graph(
            [node], "attention", [helper.make_tensor_value_info(n, number, shapes[n]) for n in names if n],
            [helper.make_tensor_value_info("out", number, shapes["query"])])
        model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20),
                                                                       helper.make_opsetid("com.microsoft", 1)])
        options = self.runtime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return self.runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def prepare(self, row, arrays):
        direction, B, H, HK, _, _, D, option = row
        if direction == "backward":
            raise NotImplementedError("inference alone")
        if H != HK:
            raise NotImplementedError("MultiHeadAttention has no shared heads")
        session = self.session(row)
        inputs = {n: x.transpose(0, 2, 1, 3).reshape(B, -1, H * D).copy()
                  for n, x in zip(("query", "key", "value"), arrays)}
        if option == "bias":
            inputs["bias"] = arrays[4]
        bound = session.io_binding()
        for name, value in inputs.items():
            bound.bind_cpu_input(name, value)
        bound.bind_output("out", "cpu")

        def run():
            session.run_with_iobinding(bound)
            return bound

        self.shape = (B, -1, H, D)
        return run

    def as_ours(self, bound):
        return [bound.copy_outputs_to_cpu()[0].reshape(self.shape).transpose(0, 2, 1, 3)]


class Jax:
    """jax.nn.dot_product_attention on (B, T, H, D) arrays, compiled; backward alone, from what its forward keeps."""

    def __init__(self, threads):
        import jax

        self.jax = jax
        self.name = f"JAX {jax.__version__}"

    def prepare(self, row, arrays):
        jax = self.jax
        direction, *_, option = row
        q, k, v, grad = (jax.numpy.asarray(x.transpose(0, 2, 1, 3).copy()) for x in arrays[:4])
        bias = jax.numpy.asarray(arrays[4]) if option == "bias" else None

        def attend(q, k, v):
            return jax.nn.dot_product_attention(q, k, v, bias=bias, is_causal=option == "causal")

        if direction != "backward":
            forward = jax.jit(attend)
            return lambda: [jax.block_until_ready(forward(q, k, v))]
        _, pull = jax.jit(lambda q, k, v: jax.vjp(attend, q, k, v))(q, k, v)
        backward = jax.jit(lambda pull, grad: pull(grad))
        return lambda: jax.block_until_ready(backward(pull, grad))

    def as_ours(self, results):
        import numpy

        return [numpy.asarray(x).transpose(0, 2, 1, 3) for x in results]


def find_libraries(threads):
    """Those that are installed, ours first; and for each other one why it is not there."""
    found, missing = [Ours(threads)], {}
    for kind, name in ((PyTorch, "PyTorch"), (OnnxRuntime, "ONNX Runtime"), (Jax, "JAX")):
        try:
            found.append(kind(threads))
        except ImportError as error:
            missing[name] = str(error)
    return found, missing


def draw_arrays(row):
    import numpy

    _, B, H, HK, T, S, D, _ = row
    generator = numpy.random.default_rng(1)
    shapes = [(B, H, T, D), (B, HK, S, D), (B, HK, S, D), (B, H, T, D), (1, 1, T, S)]
    return [generator.standard_normal(shape, dtype=numpy.float32) for shape in shapes]


def compare(row, library, got, want):
    import numpy

    for x, y in zip(got, want, strict=True):
        error = float(numpy.abs(x - y).max())
        if not error <= TOLERANCE:
            sys.exit(f"attention_peers.py: {library.name}, {row_name(row)}: off by {error:.3g} from ours")


def run_for(call, calls, clock):
    start = clock()
    for _ in range(calls):
        call()
    return (clock() - start) / calls


def time_in_turn(calls, seconds, clock):
    """Seconds of each call: the least over rounds."""
    counts = [max(1, int(ROUND_SECONDS / max(run_for(call, 1, clock), 1e-7))) for call in calls]
    best, spent = [float("inf")] * len(calls), [0.0] * len(calls)
    while min(spent) < seconds:
        for n, call in enumerate(calls):
            call()  # finds the caches, and for a while the core, as the one before left them
            each = run_for(call, counts[n], clock)
            best[n] = min(best[n], each)
            spent[n] += each * counts[n]
    return best


def measure(row, libraries, seconds, clock):
    """{library's name: seconds, or why it has none}."""
    arrays, runs, results = draw_arrays(row), {}, {}
    for library in libraries:
        try:
            runs[library] = library.prepare(row, arrays)
        except NotImplementedError as error:
            results[library.name] = str(error)
    ours = libraries[0]
    want = runs[ours]()
    for library in list(runs)[1:]:
        compare(row, library, library.as_ours(runs[library]()), want)
    for library, best in zip(runs, time_in_turn(list(runs.values()), seconds, clock)):
        results[library.name] = best
    return results


def as_cell(value, ours):
    return f"{1e6 * value:.1f} ({value / ours:.2f})" if isinstance(value, float) else "-"


def markdown(measured, libraries, missing, cpu, threads):
    names = [library.name for library in libraries]
    lines = [
        "# Beside its peers", "",
        f"Microseconds of a call in fp32, and in brackets how many times ours that is. {cpu}; {threads} "
        f"thread{'s' if threads > 1 else ''} on {'as many cores' if threads > 1 else 'one core'}; {datetime.date.today().isoformat()}.", "",
        "All are called from Python in one process, in turn on the same numbers, by the same clock "
        "(`bench/peers/attention_peers.py`, which says how; ours is the package libattn). Backward is the backward pass "
        "alone, and one query against a full cache is decoding. Get the table again with `make bench-peers`, on an idle "
        "machine.", "",
        "| row | what | " + " | ".join(names) + " |", "|---|---|" + "---|" * len(names)]
    for number, (row, results) in enumerate(measured, 1):
        ours = results[names[0]]
        cells = [f"{1e6 * ours:.1f}"] + [as_cell(results[n], ours) for n in names[1:]]
        lines.append(f"| {number} | {row_name(row)} | " + " | ".join(cells) + " |")
    lines += ["", "A dash: not offered. " + "; ".join(sorted(
        {f"{n}, {row[0]}: {why}" for row, results in measured for n, why in results.items() if isinstance(why, str)})) +
        "."]
    lines += [f"Not installed, so not measured: {name} ({why})." for name, why in missing.items()]
    return "\n".join(lines + ["", "![how many times our time each takes](benchmarks.svg)", ""])


def plot(measured, libraries, path):
    ours, *peers = [library.name for library in libraries]
    table = "series\tx\ty\n" + "".join(
        f"{peer}\t{number}\t{results[peer] / results[ours]:.4f}\n"
        for peer in peers for number, (_, results) in enumerate(measured, 1) if isinstance(results[peer], float))
    tool = Path(__file__).resolve().parents[2] / "tools" / "plot"
    subprocess.run([sys.executable, tool, "--kind", "bar", "--log-y", "--x-label", "row of the table",
                    "--y-label", "time / ours", "-", "-o", path], input=table, text=True, check=True)


def main():
    arguments = parse_arguments()
    cores = sorted(os.sched_getaffinity(0))[: arguments.threads]
    os.sched_setaffinity(0, cores)
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    if arguments.threads == 1:
        os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    libraries, missing = find_libraries(arguments.threads)
    cpu = "{0}, {2}".format(*libraries[0].attn.cpu())
    print(f"{cpu}; {', '.join(library.name for library in libraries)}")
    for name, why in missing.items():
        print(f"{name} is not installed: {why}")
    measured, clock = [], time.process_time if arguments.threads == 1 else time.perf_counter
    for row in ROWS:
        if arguments.small:
            row = (*row[:4], min(row[4], 24), min(row[5], 24), *row[6:])
        if arguments.rows not in row_name(row):
            continue
        results = measure(row, libraries, arguments.seconds, clock)
        measured.append((row, results))
        ours = results[libraries[0].name]
        print(f"{row_name(row):38} {1e6 * ours:10.1f} us  " + "  ".join(
            f"{library.name.rsplit(' ', 1)[0]} {as_cell(results[library.name], ours)}" for library in libraries[1:]),
            flush=True)
    if not arguments.output or not measured:
        return
    arguments.output.with_suffix(".md").write_text(
        markdown(measured, libraries, missing, cpu, arguments.threads), encoding="utf-8")
    plot(measured, libraries, arguments.output.with_suffix(".svg"))


if __name__ == "__main__":
    main()
