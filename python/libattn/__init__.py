"""Exact attention on the CPU, forward and backward, for arrays of NumPy, PyTorch, JAX and others.

One letter per dimension: B sequences, H query heads, HK key and value heads (HK divides H), T queries, S keys, D the
head dimension of queries and keys, DV that of values.

Arrays are read and written where they are, without copies: any CPU array with ``__dlpack__``, with any strides, its last
dimension contiguous. Query, key, value, the result and their gradients are of one type of elements, float32, float16,
bfloat16 or float64; whatever else there is is of float32, or beside float64 of that. Results are arrays of the query's library. Nothing here records gradients:
``libattn.attention_backward`` computes them, and ``libattn.attention_double_backward`` theirs. A call lets other Python threads run meanwhile.
"""

from ._core import cpu as _cpu
from ._core import version as __version__
from .additive import additive_attention, additive_attention_backward
from .attention import attention_backward, scaled_dot_product_attention
from .block_mask import BlockMask
from .double_backward import attention_double_backward
from .kv_cache import KVCache, Rotary
from .merge import merge_states
from .tile_functions import CFunction, ScoreFunction, Tile
from .varlen import varlen_attention, varlen_attention_backward, varlen_attention_double_backward
from .weights import attention_column_sums, attention_weights

__all__ = [
    "BlockMask",
    "CFunction",
    "KVCache",
    "Rotary",
    "ScoreFunction",
    "Tile",
    "additive_attention",
    "additive_attention_backward",
    "attention_backward",
    "attention_column_sums",
    "attention_double_backward",
    "attention_weights",
    "cpu",
    "merge_states",
    "scaled_dot_product_attention",
    "varlen_attention",
    "varlen_attention_backward",
    "varlen_attention_double_backward",
]


def cpu() -> tuple[str, str, str]:
    """This processor's name, the widest instruction set found on it, and the one in use.

    The latter two are "scalar", or on x86-64 "avx2", "avx512", "avx512bf16" or "amx", on aarch64 "neon". ``ATTN_CPU`` in the environment narrows what is used.
    """
    return _cpu()
