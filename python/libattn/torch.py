"""The functions of libattn as PyTorch differentiates them, and a module in the shape of torch.nn.MultiheadAttention.

Tensors are on the CPU, of float32, float16, bfloat16 or float64. Where no input requires a gradient nothing is recorded.
Gradients of gradients are computed too, but not with additive scores nor of alibi_slopes: these are refused. Under
torch.autocast query, key and value are made of its type, as for PyTorch's own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import _core
from .arrays import Integers
from .block_mask import BlockMask, described
from .tile_functions import AnyMaskFunction, AnyScoreFunction, described_mask
from .torch_gradients import ADDITIVE, PACKED, SCALED, apply, attention_weights, unrecorded

__all__ = ["MultiheadAttention", "additive_attention", "scaled_dot_product_attention", "varlen_attention"]

def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    window: tuple[int, int] | None = None,
    softcap: float = 0.0,
    alibi_slopes: Tensor | None = None,
    sinks: Tensor | None = None,
    block_mask: BlockMask | None = None,
    score_function: AnyScoreFunction | None = None,
    mask_function: AnyMaskFunction | None = None,
    query_offset: int | Integers | None = None,
    key_lengths: Integers | None = None,
    seed: int | Integers | None = None,
    return_lse: bool = False,
    threads: int | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """``libattn.scaled_dot_product_attention``, through which gradients flow.

    They flow to query (..., H, T, D), key (..., HK, S, D), value (..., HK, S, DV), an attn_mask of floats, the
    sinks (H,) and alibi_slopes (H,). They flow through the log-sum-exp too, where it is returned. Without a seed, the dropout draws one from PyTorch's generator.
    """
    drawn = dropout_p and seed is None
    if not drawn and score_function is None and unrecorded(query, key, value, attn_mask, sinks, alibi_slopes):
        try:
            return _core.forward(
                query,
                key,
                value,
                attn_mask,
                dropout_p,
                is_causal,
                scale,
                enable_gqa,
                window,
                softcap,
                alibi_slopes,
                sinks,
                query_offset,
                key_lengths,
                seed,
                None,
                threads,
                None,
                None,
                described(block_mask),
                None,
                described_mask(mask_function),
                return_lse,
                False,
                None,
            )
        except ValueError:
            if not any(x is not None and x.is_neg() for x in (query, key, value, attn_mask, sinks, alibi_slopes)):
                raise
    options = {
        "dropout_p": dropout_p,
        "is_causal": is_causal,
        "scale": scale,
        "enable_gqa": enable_gqa,
        "window": window,
        "softcap": softcap,
        "block_mask": block_mask,
        "score_function": score_function,
        "mask_function": mask_function,
        "query_offset": query_offset,
        "key_lengths": key_lengths,
        "seed": seed,
        "threads": threads,
    }
    return apply(SCALED, (query, key, value, attn_mask, sinks, alibi_slopes, None), options, return_lse)


def varlen_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cu_seqlens_q: Integers,
    cu_seqlens_k: Integers,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    window: tuple[int, int] | None = None,
    softcap: float = 0.0,
    alibi_slopes: Tensor | None = None,
    sinks: Tensor | None = None,
    block_mask: BlockMask | None = None,
    score_function: AnyScoreFunction | None = None,
    mask_function: AnyMaskFunction | None = None,
    query_offset: int | Integers | None = None,
    key_lengths: Integers | None = None,
    seed: int | Integers | None = None,
    return_lse: bool = False,
    threads: int | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """``libattn.varlen_attention``, through which gradients flow: query (T, H, D), key (S, HK, D), value (S, HK, DV)."""
    options: dict[str, Any] = dict(
        cu_seqlens_q=cu_seqlens_q, cu_seqlens_k=cu_seqlens_k, dropout_p=dropout_p, is_causal=is_causal, scale=scale
    )
    options.update(enable_gqa=enable_gqa, window=window, softcap=softcap)
    options.update(query_offset=query_offset, key_lengths=key_lengths, seed=seed, threads=threads)
    options.update(block_mask=block_mask, score_function=score_function, mask_function=mask_function)
    return apply(PACKED, (query, key, value, attn_mask, sinks, alibi_slopes, None), options, return_lse)


def additive_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score_vector: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    enable_gqa: bool = False,
    *,
    window: tuple[int, int] | None = None,
    softcap: float = 0.0,
    alibi_slopes: Tensor | None = None,
    sinks: Tensor | None = None,
    block_mask: BlockMask | None = None,
    score_function: AnyScoreFunction | None = None,
    mask_function: AnyMaskFunction | None = None,
    query_offset: int | Integers | None = None,
    key_lengths: Integers | None = None,
    seed: int | Integers | None = None,
    return_lse: bool = False,
    threads: int | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """``libattn.additive_attention``, through which gradients flow, to score_vector (H, D) too."""
    options: dict[str, Any] = dict(
        dropout_p=dropout_p, is_causal=is_causal, enable_gqa=enable_gqa, window=window, softcap=softcap
    )
    options.update(query_offset=query_offset, key_lengths=key_lengths, seed=seed)
    options.update(threads=threads, block_mask=block_mask)
    options.update(score_function=score_function, mask_function=mask_function)
    return apply(ADDITIVE, (query, key, value, attn_mask, sinks, alibi_slopes, score_vector), options, return_lse)


class MultiheadAttention(torch.nn.MultiheadAttention):
    """torch.nn.MultiheadAttention, its parameters and their names the same, computed by libattn.

    Differs in that a query without any key left gives the projection of zeros, not NaN; that ``is_causal`` needs no
    mask; and that the weights, where they are asked for, are those before dropout.
    """

    def _project(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(..., E) each."""
        linear = torch.nn.functional.linear
        if self._qkv_same_embed_dim and query is key and key is value:
            q, k, v = linear(query, self.in_proj_weight, self.in_proj_bias).chunk(3, -1)
            return q, k, v
        if self._qkv_same_embed_dim:
            weights = self.in_proj_weight.chunk(3)
        else:
            weights = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        biases = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        q, k, v = (linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases))
        return q, k, v

    def _mask(self, attn_mask: Tensor | None, key_padding_mask: Tensor | None, batch: int) -> Tensor | None:
        """One mask, (B or 1, H or 1, T or 1, S), of the two, in which True of bool means to leave out."""
        masks = []
        if attn_mask is not None:
            three = attn_mask.dim() == 3
            masks.append(
                attn_mask.view(batch, self.num_heads, *attn_mask.shape[1:]) if three else attn_mask[None, None]
            )
        if key_padding_mask is not None:
            masks.append(key_padding_mask.view(batch, 1, 1, -1))
        if not masks:
            return None
        if all(mask.dtype == torch.bool for mask in masks):
            left_out = masks[0] if len(masks) == 1 else masks[0] | masks[1]
            return ~left_out
        kind = next(m.dtype for m in masks if m.dtype != torch.bool)
        added = [
            torch.zeros(m.shape, dtype=kind).masked_fill(m, -torch.inf) if m.dtype == torch.bool else m for m in masks
        ]
        return added[0] if len(added) == 1 else added[0] + added[1]

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """query (T, B, E), key (S, B, kdim), value (S, B, vdim), or with batch_first the first two dimensions the other
        way round, or (T, E) and so on without a batch; key_padding_mask (B, S); attn_mask (T, S) or (B * H, T, S). In
        masks of bool True leaves a key out, as in torch.nn.MultiheadAttention; masks of floats are added.

        Returns the output, in query's shape, and the weights: (B, T, S), averaged over the heads, or (B, H, T, S), or
        None where they are not needed. S counts the keys that add_bias_kv and add_zero_attn append.
        """
        batched = query.dim() == 3
        batch = 1 if not batched else query.size(0 if self.batch_first else 1)
        mask = self._mask(attn_mask, key_padding_mask, batch)
        if is_causal and attn_mask is not None:
            is_causal = False  # says of the mask what it is
        q, k, v = (self._heads(x, batched) for x in self._project(query, key, value))
        k, v, mask, added = self._with_added_keys(k, v, mask)
        dropout = self.dropout if self.training else 0.0
        out: Any = scaled_dot_product_attention(q, k, v, mask, dropout, is_causal, query_offset=added)
        out = out.transpose(-3, -2).flatten(-2)  # (B, T, E)
        out = self.out_proj(out if self.batch_first else out.transpose(0, 1))
        weights = self._weights(q, k, mask, is_causal, added, average_attn_weights) if need_weights else None
        if batched:
            return out, weights
        return out.squeeze(0 if self.batch_first else 1), None if weights is None else weights[0]

    def _heads(self, x: Tensor, batched: bool) -> Tensor:
        """(T, B, E), (B, T, E) or (T, E) as (B, H, T, D), where it lies."""
        x = x.unflatten(-1, (self.num_heads, self.head_dim))
        if not batched:
            return x.transpose(0, 1)[None]
        return x.transpose(1, 2) if self.batch_first else x.permute(1, 2, 0, 3)

    def _with_added_keys(
        self, k: Tensor, v: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None, int]:
        """Keys and values behind those that add_bias_kv and add_zero_attn add, which no mask leaves out, and how many
        these are: in front, where is_causal keeps them for queries that stand as many places further on."""
        row = (len(k), self.num_heads, 1, self.head_dim)
        keys, values = [k], [v]
        if self.add_zero_attn:
            keys.insert(0, k.new_zeros(row))
            values.insert(0, v.new_zeros(row))
        if self.bias_k is not None and self.bias_v is not None:
            keys.insert(0, self.bias_k.view(row[1:]).expand(row).to(k.dtype))
            values.insert(0, self.bias_v.view(row[1:]).expand(row).to(v.dtype))
        added = len(keys) - 1
        if not added:
            return k, v, mask, 0
        if mask is not None:
            mask = torch.nn.functional.pad(mask, (added, 0), value=mask.dtype == torch.bool)
        return torch.cat(keys, 2), torch.cat(values, 2), mask, added

    def _weights(
        self, q: Tensor, k: Tensor, mask: Tensor | None, is_causal: bool, added: int, average: bool
    ) -> Tensor:
        weights = attention_weights(q, k, mask, is_causal, added).to(q.dtype)
        weights = torch.cat([weights[..., added:], weights[..., :added]], -1) if added else weights
        return weights.mean(-3) if average else weights
