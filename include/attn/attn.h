/*
 * attn.h - the attention operator, exact, forward and backward, on the CPU.
 *
 *     O = softmax(mask(softcap(scale * Q K^T) + bias)) V,      softcap(x) = c * tanh(x / c)
 *
 * or, with ATTN_SCORE_ADDITIVE, the same with w^T tanh(q_i + k_j) where scale * Q K^T stands. Where they are given,
 * ALiBi slopes add -slope_h * |p - j| to the bias, and a sink z_h joins the softmax's sum as one more score without a
 * value: the weight of key j is exp(x_ij) / (exp(z_h) + sum over j' of exp(x_ij')), x the scores after all else. A
 * caller's own function of a score comes between the cap and the bias.
 *
 * One letter per dimension, here and everywhere in this project:
 *
 *     B   sequences in the batch            T   queries of a sequence
 *     H   query heads                       S   keys of a sequence
 *     HK  key and value heads; HK divides H D   head dimension of Q and K
 *                                           DV  head dimension of V and O
 *
 * and b, h, i, j for one sequence, head, query and key of them. Query head h reads key head h / (H / HK): HK = H is
 * multi-head, HK = 1 multi-query, between them grouped-query. Query i stands at position p = i + query_offset. Causal
 * keeps the keys j <= p; a window (l, r) keeps p - l <= j <= p + r; offset 0 aligns the first query with the first key,
 * S - T the last with the last.
 *
 * A call in short, arrays contiguous as (B, H, T, D):
 *
 *     attn_desc desc;
 *     attn_desc_init(&desc, sizeof desc, B, H, HK, T, S, D, DV);
 *     desc.q.data = q, desc.k.data = k, desc.v.data = v, desc.o.data = o;
 *     desc.causal = true;
 *     size_t size;
 *     if (attn_forward_workspace_size(&desc, &size) != ATTN_OK) ... attn_error() says why ...
 *     void *workspace = aligned_alloc(ATTN_ALIGNMENT, size);
 *     if (attn_forward(&desc, workspace, size) != ATTN_OK) ...
 *
 * What holds for every function of this header:
 *
 * - Zero sizes. B, T, S, D and DV may be 0. A query without any key left (S = 0, or all of its keys masked) gives a row
 *   of zeros, log-sum-exp -inf (with a sink: the sink, to rounding), and zero gradients. An array without elements may
 *   have NULL data.
 * - Not-a-number. What a query attends to reaches its row: a NaN in row i of Q, or in its head's score vector, makes
 *   row i of O and its log-sum-exp NaN if that query has a key left; a NaN in its head's sink does so in any case, as
 *   does a sink of +inf, while a sink of -inf is none; a NaN in key j, or in its bias, does so to every row that
 *   attends to j; a NaN or infinity in column c of value j makes element c NaN or infinite in every row that attends to
 *   j. What a query does not attend to never reaches its row: keys and values masked in any way may hold anything, for
 *   the rows that they are masked for. A score of +inf makes its row NaN; a score of -inf weighs 0.
 * - Precision. fp64 in fp64, by the C library's functions, without a workspace. Otherwise products and sums in fp32,
 *   by fused multiply-adds in a fixed order; exponentials within 2 units in the last place, tanh within 2.5; a weight
 *   below 2^-125 of its row's largest may be flushed to 0, and one below 2^-126 is. bf16 and fp16 are made fp32
 *   exactly as they are read, and results rounded to them once, to nearest, ties to even; where the CPU multiplies
 *   bf16 itself, forward and backward on it round the weights to it too, backward the scores' gradients as well, and
 *   both take subnormal numbers for 0. doc/NUMERICS.md says more.
 * - Bits. The same whatever the thread count, the batch around a sequence, the strides, the keys beyond key_lengths,
 *   and whether a pair is masked by causal, a window, a block, a byte or a bias of -inf (beside biases of 0), on the
 *   same instruction set and the same T, D, DV, H / HK and options. Forward's do not depend on what masked places hold;
 *   backward's, of either order, do where that is NaN or infinite: gradients around it, on which it has no effect
 *   else, are then rounded in another way, by about 1e-7 of the largest, and take longer (doc/NUMERICS.md).
 * - Floating-point environment. All this holds where each thread that runs tasks has C's default one: rounding to
 *   nearest, subnormal numbers kept, no traps. Exception flags may be raised. OpenMP's threads keep the environment
 *   that they were started with, not the caller's.
 * - Memory. Nothing is allocated: the caller brings a workspace of at least the size that the query function tells for
 *   the same descriptor, a multiple of ATTN_ALIGNMENT as aligned_alloc wants it, and no T x S matrix is ever held. Two
 *   calls may run at once unless they share a workspace or an output.
 * - Outputs must not overlap each other, nor any input, nor the workspace. Inputs may overlap. Data is aligned as its
 *   type asks (8 bytes for fp64, 4 for fp32, 2 for bf16 and fp16); more is not needed.
 * - On any status but ATTN_OK nothing was written, and attn_error() names the field, its value and what was expected.
 *
 * Vaswani et al., "Attention Is All You Need" (2017), equation 1; Bahdanau et al., "Neural Machine Translation by
 * Jointly Learning to Align and Translate" (2015), appendix A.1.2; computed block by block as in Dao et al.,
 * "FlashAttention" (2022), algorithm 1.
 */
#ifndef ATTN_ATTN_H
#define ATTN_ATTN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define ATTN_API __attribute__((visibility("default")))
#else
#define ATTN_API
#endif

/* The version of this header. attn_version tells that of the library that runs, whose patch number may be another:
 * before 1.0.0 a new minor version may change what is public, a new patch never does. */
#define ATTN_VERSION_MAJOR 0
#define ATTN_VERSION_MINOR 1
#define ATTN_VERSION_PATCH 0

#define ATTN_ALIGNMENT 64 /* of a workspace, in bytes: a cache line, and the widest vector */

/* What a call returns. The numbers are pinned: they never change their meaning. */
typedef enum attn_status {
    ATTN_OK = 0,
    ATTN_ERROR_ARGUMENT = 1,    /* a value outside what the function takes; nothing was written */
    ATTN_ERROR_UNSUPPORTED = 2, /* a sound request that this version or CPU does not offer; nothing was written */
    ATTN_ERROR_OVERFLOW = 3,    /* sizes whose product does not fit; nothing was written */
    ATTN_ERROR_WORKSPACE = 4,   /* workspace missing, too small or misaligned; nothing was written */
    ATTN_ERROR_MEMORY = 5,      /* the system gave no memory (contexts and models; operators never allocate) */
    ATTN_ERROR_FILE = 6,        /* a file could not be opened, read or written; attn_error() names it */
    ATTN_ERROR_FORMAT = 7,      /* a file's contents are not what was expected; attn_error() names file and field */
    ATTN_ERROR_INTERRUPTED = 8  /* the caller asked to stop; what was saved is whole */
} attn_status;

/* The message of this thread's last failed call into this library, with the offending value; "" before the first. Valid
 * until the thread's next call. Never NULL. */
ATTN_API const char *attn_error(void);

/* The type of Q, K, V, O and their gradients, all of a call's the same; and of K and V in a cache. Beside fp64 the
 * log-sum-exp, the bias, the score vector, their gradients and weights are fp64 too, beside the others fp32; slopes and
 * sinks are fp32 in any case. attn_forward, attn_backward, attn_double_backward and attn_weights take all of these but
 * int8, attn_weights_column_sums, attn_decode, attn_merge, attn_rotate and attn_append all but int8 and fp64. Numbers
 * pinned. */
typedef enum attn_dtype {
    ATTN_DTYPE_F32 = 0,
    ATTN_DTYPE_BF16 = 1, /* the upper half of an fp32 */
    ATTN_DTYPE_FP16 = 2, /* IEEE 754-2008 binary16 */
    ATTN_DTYPE_INT8 = 3, /* bytes with a scale for each row; in a cache alone */
    ATTN_DTYPE_F64 = 4   /* for checking: plain loops, one query after another; not in a cache */
} attn_dtype;

/* How a query's score of a key comes about. Numbers pinned. Luong's scores ("Effective Approaches to Attention-based
 * Neural Machine Translation", 2015, section 3.1) are these two: "dot" is ATTN_SCORE_DOT with scale 1; "general" the
 * same on keys W k; "concat", v^T tanh(W [q; k]), is ATTN_SCORE_ADDITIVE on W's left half times q and its right half
 * times k. */
typedef enum attn_score {
    ATTN_SCORE_DOT = 0,     /* scale * sum over d of q_id k_jd */
    ATTN_SCORE_ADDITIVE = 1 /* sum over d of w_d tanh(q_id + k_jd), on queries and keys that were projected already */
} attn_score;

/* An array that is read: element (b, h, i, c) stands at data[b * batch + h * head + i * row + c]. Strides
 * are in elements and may be 0 or negative; the last dimension is contiguous. So (B, H, T, D) has strides
 * H * T * D, T * D, D; (B, T, H, D) has T * H * D, D, H * D; and packed (B, T, 3, H, D) has T * 3 * H * D, D, 3 * H *
 * D. */
typedef struct attn_view {
    const void *data;
    int64_t batch, head, row;
} attn_view;

/* An array that is written, laid out likewise; no two of its elements may share an address. */
typedef struct attn_output {
    void *data;
    int64_t batch, head, row;
} attn_output;

/* A mask or bias that is read, (B, H, T, S): element (b, h, i, j) stands at
 * data[b * batch + h * head + i * row + j * column]; a stride of 0 broadcasts along its dimension. */
typedef struct attn_mask {
    const void *data;
    int64_t batch, head, row, column;
} attn_mask;

/* A bias gradient that is written, laid out likewise: a stride of 0 sums along its dimension, in a fixed order. Nothing
 * is written where B, T or S is 0. */
typedef struct attn_mask_output {
    void *data;
    int64_t batch, head, row, column;
} attn_mask_output;

/* A block-sparse mask, (B, H, T, S) cut in blocks of queries by keys: query block n of head h of sequence b keeps the
 * key blocks entries[starts[b * batch + h * head + n]] up to, not including, entries[starts[... + n + 1]], ascending; a
 * stride of 0 broadcasts. The last block of either may be part full; key blocks beyond the keys are passed over. */
typedef struct attn_block_mask {
    int64_t queries, keys; /* a block's, each at least 1 */
    const int64_t *starts; /* NULL: no mask */
    int64_t batch, head;   /* strides of starts, in elements */
    const int64_t *entries;
    int64_t count; /* of entries: no start is beyond */
} attn_block_mask;

/* A tile of a head's pairs, of any size from 1 x 1 on, as a caller's functions get it. */
typedef struct attn_tile {
    int64_t sequence, head;
    int64_t query, position, queries; /* the first query, counted within its sequence; where it stands; how many */
    int64_t key, keys;                /* the first key; how many */
    float *values;                    /* of query + m and key + n at values[m * query_step + n * key_step] */
    float *slopes;                    /* laid out likewise; NULL where they are not wanted */
    int64_t query_step, key_step;
} attn_tile;

/* A caller's function f of scores. Replaces each score s in values by f(s), which may depend on head, position and key
 * too, and where slopes is not NULL multiplies each slope by f'(s). Scores of masked pairs may be anything, and so may
 * what becomes of them. Called from several threads at once; a pair must fare the same in whatever tile it comes. It
 * must return: no exception and no jump may leave it. */
typedef void (*attn_score_function)(void *user, const attn_tile *tile);

/* What a caller's mask leaves of a tile. Numbers pinned. */
typedef enum attn_tile_kept {
    ATTN_TILE_NONE = 0, /* nothing: the tile is skipped */
    ATTN_TILE_ALL = 1,  /* all of it: values were not changed */
    ATTN_TILE_SOME = 2  /* what is not -inf in values */
} attn_tile_kept;

/* A caller's mask. In values is what will be added to the scores, bias and slopes' distances or 0, and -inf where
 * another rule masks already: writes -inf where it masks, and may change the others (which gives no gradient). slopes
 * is NULL. Called as attn_score_function is, for tiles of which the other rules leave something. */
typedef attn_tile_kept (*attn_mask_function)(void *user, const attn_tile *tile);

/* One task of a parallel loop; worker is in 0 .. threads - 1, and no two tasks that run at once have the same. */
typedef void (*attn_task)(void *argument, int64_t task, int worker);

/* Who runs the tasks. A zeroed one is OpenMP (in a library built without it, threads that are started for each loop) on
 * the default number of threads: OMP_NUM_THREADS where its first number is one of 1 .. 1024, whatever the CPUs, else
 * the affinity mask and the cgroup's CPU quota. Both are asked once in the process's life, by the first call that wants
 * them. OpenMP's threads do not survive a fork: in a child of a process that had used them here, calls run on the
 * calling thread. */
typedef struct attn_parallel {
    int threads; /* at most so many at once, 1 .. 1024; 0 is the default */
    /* NULL, or the caller's own: run(user, threads, count, task, argument) must call task(argument, n, worker) once
     * for each n in 0 .. count - 1 and return when all are done. In any order, on any threads; in order on the calling
     * one, with worker 0, is fine: no task waits for another. */
    void (*run)(void *user, int threads, int64_t count, attn_task task, void *argument);
    void *user;
} attn_parallel;

/* Everything about one call. attn_desc_init fills it; then set what differs. */
typedef struct attn_desc {
    size_t struct_size;            /* sizeof(attn_desc) where the caller was compiled; fields beyond it count as zero */
    attn_dtype dtype;              /* of Q, K, V, O and their gradients */
    int64_t B, H, HK, T, S, D, DV; /* T and S are sums where query_starts and key_starts are given */
    float scale; /* multiplies Q K^T; finite. 1 / sqrt(D) after attn_desc_init. With ATTN_SCORE_ADDITIVE it must be 1 */

    attn_view q;     /* (B, H, T, D) */
    attn_view k;     /* (B, HK, S, D) */
    attn_view v;     /* (B, HK, S, DV) */
    attn_output o;   /* (B, H, T, DV): forward writes it, backward reads it */
    attn_output lse; /* (B, H, T), row counts queries: log(sum of exp(score)), natural logarithm, the sink's included.
                        Forward writes it, or not when data is NULL; backward reads it */

    /* Which keys a query attends to: those that every given rule keeps. */
    bool causal;                  /* keep j <= p */
    int64_t window_left;          /* keep p - window_left <= j; -1: unbounded */
    int64_t window_right;         /* keep j <= p + window_right; -1: unbounded */
    int64_t query_offset;         /* p = i + query_offset; may be negative */
    const int64_t *query_offsets; /* (B) one offset per sequence instead of query_offset, or NULL */
    const int64_t *key_lengths;   /* (B) keep j < key_lengths[b], each in 0 .. S, or NULL; keys beyond are never read */
    attn_mask mask;               /* bytes: keep where not 0. data NULL: none */
    attn_mask bias;               /* added to the (capped) score; -inf masks. data NULL: none */

    float softcap; /* c > 0 caps each score to c * tanh(score / c), before the bias; 0: none */

    /* Dropout on the weights after the softmax: a weight is zeroed with this probability, else divided by 1 - dropout.
     * Weight (h, i, j) of sequence b draws its number from Philox 4x32-10 with key dropout_keys[b] and counter
     * (h, i, j) alone: a sequence keeps its draw in another batch. In [0, 1). */
    float dropout;
    const uint64_t *dropout_keys; /* (B); may be NULL when dropout is 0 */

    /* What backward alone reads and writes. */
    attn_view grad_o;           /* (B, H, T, DV) the loss's gradient by O */
    attn_output grad_q;         /* (B, H, T, D), not computed when data is NULL; likewise the next three */
    attn_output grad_k;         /* (B, HK, S, D) summed over the query heads that share a key head */
    attn_output grad_v;         /* (B, HK, S, DV) */
    attn_mask_output grad_bias; /* bias's gradient, summed over the dimensions whose stride is 0 */

    attn_parallel parallel;

    /* From here on a caller compiled against an older header has no fields: they count as zero. */
    attn_score score;              /* ATTN_SCORE_DOT after attn_desc_init */
    attn_view score_vector;        /* w, (H, D): element d of head h at data[h * head + d]; batch and row are not looked
                                      at. For ATTN_SCORE_ADDITIVE alone; data NULL otherwise */
    attn_output grad_score_vector; /* (H, D) likewise, what backward sums over the batch, queries and keys; not
                                      computed when data is NULL */
    const float *alibi_slopes;     /* (H) each query head's slope, contiguous, or NULL: -slope * |p - j| is added to the
                                      bias of query i, p its position, and key j, on either side of p. Computed in fp32: the
                                      distance is rounded beyond 2^24. Press et al., "Train Short, Test Long" (2022),
                                      section 3, whose heads have slopes 2^(-8 (h + 1) / H) for H a power of 2 */
    const float *sinks;            /* (H) each query head's sink z, contiguous, or NULL: exp(z) joins the softmax's sum,
                                      neither scaled, capped nor biased. -inf: none. OpenAI, "gpt-oss-120b & gpt-oss-20b
                                      Model Card" (2025), section 2.2 */
    float *grad_sinks;             /* (H) their gradient, summed over the batch and queries in a fixed order; not
                                      computed when NULL */

    /* Packed sequences, each of its own length, without padding: sequence b has the queries query_starts[b] ..
     * query_starts[b + 1] - 1 of arrays of T rows a head, (T, H, D) or (H, T, D) with T the rows of all; their batch
     * strides are not looked at. B + 1 starts, none below the one before, within 0 .. T; rows of no sequence are
     * neither read nor written. NULL: T queries each. Likewise key_starts for keys and values, within 0 .. S; either
     * may be given alone. What else counts queries or keys counts them within the sequence: positions, so that
     * query_offsets says how each is aligned, key_lengths, the rows and columns of masks, bias and grad_bias (which has
     * as many as the longest sequence; where its batch stride is not 0, what is beyond a sequence's own rows and
     * columns is not written), and dropout. A sequence has the bits that it has alone. */
    const int64_t *query_starts;
    const int64_t *key_starts;

    attn_block_mask block_mask; /* keep what its lists keep, of what the other rules do; the dropped costs no work.
                                   Blocks count from each sequence's first query and key */

    attn_score_function score_function; /* f, applied to each capped score before the bias, or NULL */
    void *score_user;                   /* what it is called with */
    attn_mask_function mask_function;   /* keep what it keeps, of what the other rules do, or NULL */
    void *mask_user;

    /* For fp64: the number that scale was rounded from, 1 / sqrt(D) after attn_desc_init. It counts where it rounds to
     * scale: setting scale alone is enough. */
    double scale_f64;

    float *grad_alibi_slopes; /* (H) the slopes' gradient, summed over the batch, queries and keys in a fixed order; not
                                 computed when NULL */

    attn_view grad_lse; /* (B, H, T), row counts queries: the loss's gradient by the log-sum-exp, of that's type, which
                           backward adds; zeros when data is NULL */
} attn_desc;

/* Fills *desc for these sizes: fp32; contiguous (B, H, T, D), (B, HK, S, D), (B, HK, S, DV), (B, H, T, DV) and
 * (B, H, T) views and gradients, and (H, D) score vectors, their data NULL; dot-product scores, scale 1 / sqrt(D) (1
 * when D is 0); no mask, window, bias, cap or dropout; default threads. struct_size is sizeof(attn_desc); nothing
 * beyond it is written. Sizes are checked when the descriptor is used. desc NULL is ignored. */
ATTN_API void attn_desc_init(attn_desc *desc, size_t struct_size, int64_t B, int64_t H, int64_t HK, int64_t T,
                             int64_t S, int64_t D, int64_t DV);

/* Bytes of workspace that attn_forward needs for desc, into *size: at most 4 MB a thread for any T and S while
 * D and DV are 512 or less. Data pointers and strides are not looked at; they may be NULL. Of query_starts and
 * key_starts only whether they are NULL counts.
 *
 * ATTN_ERROR_ARGUMENT: desc or size NULL; a size negative, H or HK 0, HK not dividing H; a scale, softcap or dropout
 * outside its range; a scale other than 1 with ATTN_SCORE_ADDITIVE; a score vector or its gradient without; grad_sinks
 * without sinks, grad_alibi_slopes without slopes; a block of no queries or keys; a window below -1; threads outside 0
 * .. 1024; ATTN_CPU in the environment naming no instruction set. ATTN_ERROR_UNSUPPORTED: a dtype, a score, or a field
 * of a later version, that this version does not know; score_function or mask_function with ATTN_DTYPE_F64.
 * ATTN_ERROR_OVERFLOW: B * H * T * D or the like does not fit an int64_t. */
ATTN_API attn_status attn_forward_workspace_size(const attn_desc *desc, size_t *size);

/* O = softmax(mask(softcap(scale * Q K^T) + bias)) V and, where desc->lse has data, the log-sum-exp of each row's
 * scores (dropout does not change it).
 *
 * Reads q, k, v and the masks; writes o and lse, nothing between their rows. workspace: at least the size that
 * attn_forward_workspace_size told, aligned to ATTN_ALIGNMENT, contents undefined before and after; NULL when that size
 * is 0. Thread-safe as long as outputs and workspace are its own.
 *
 * Statuses as attn_forward_workspace_size, and ATTN_ERROR_ARGUMENT: data that is NULL or misaligned where the array has
 * elements; a key_lengths entry outside 0 .. S; a start before the one before it, or beyond the array; a
 * list of block_mask that is out of order or beyond its entries; dropout without
 * dropout_keys; an output whose dimension above 1 has stride 0. ATTN_ERROR_OVERFLOW: a view that spans more than the
 * address space. ATTN_ERROR_WORKSPACE: see there. */
ATTN_API attn_status attn_forward(const attn_desc *desc, void *workspace, size_t workspace_size);

/* Bytes of workspace that attn_backward needs for desc, into *size: linear in T + S. With bf16 and fp16 the gradients
 * of Q, K and V are summed in it, in fp32. Data is not read, but which of grad_q, grad_k, grad_v, grad_bias,
 * grad_score_vector, grad_sinks and grad_alibi_slopes have data, and grad_bias's strides, count. Statuses as
 * attn_forward_workspace_size. */
ATTN_API attn_status attn_backward_workspace_size(const attn_desc *desc, size_t *size);

/* The gradients of a loss L by Q, K, V and the bias, from dO = dL/dO, what forward left in o and lse, and, where L
 * depends on it too, dlse = dL/dlse (0 without). With P = softmax(...), M the dropout factors (0 or 1 / (1 - dropout);
 * 1 without) and s the score before the cap:
 *
 *     dV = (P .* M)^T dO                  delta_i = (sum over c of dO_ic * O_ic) - dlse_i
 *     dX = P .* (M .* (dO V^T) - delta)   dBias = dX
 *     dS = dX .* f'(softcap(s)) .* (1 - tanh(s / softcap)^2)   (without a function or a cap, without its factor)
 *     dQ = scale * dS K                   dK = scale * dS^T Q
 *
 * and with ATTN_SCORE_ADDITIVE, t_ijd = tanh(q_id + k_jd) computed again,
 *
 *     dQ_id = w_d * sum over j of dS_ij (1 - t_ijd^2)      dK_jd = w_d * sum over i of dS_ij (1 - t_ijd^2)
 *     dw_d = sum over b, i, j of dS_ij t_ijd
 *
 * and with sinks, dz_h = -(sum over b, i of exp(z_h - lse_i) delta_i), and with slopes
 *
 *     dslope_h = -(sum over b, i, j of dX_ij |p - j|)
 *
 * a block of queries by one of keys in fp32, the blocks in fp64: where positions are far from all keys, little is left
 * of such a sum, whose terms cancel.
 *
 * Reads q, k, v, o, lse, grad_o, grad_lse, the masks, slopes and sinks; writes, not adds to, each of grad_q, grad_k,
 * grad_v, grad_bias, grad_score_vector, grad_sinks and grad_alibi_slopes that has data. The descriptor is forward's,
 * with the same masks, cap, dropout and keys. Rows without any key left get and give zero gradients, but give their
 * sink, which is their log-sum-exp, dlse. Workspace and thread safety as attn_forward; bits do not depend on the thread
 * count.
 *
 * Statuses as attn_forward, and ATTN_ERROR_ARGUMENT: o, lse or grad_o NULL where they have elements; grad_bias without
 * bias, or with a dimension not broadcast that bias broadcasts.
 * Dao et al., "FlashAttention" (2022), algorithm 4. */
ATTN_API attn_status attn_backward(const attn_desc *desc, void *workspace, size_t workspace_size);

/* What attn_double_backward reads and writes beside its descriptor, for a loss of backward's results: the loss's
 * gradients by them, and those that follow by backward's inputs. */
typedef struct attn_second_order {
    size_t struct_size;         /* sizeof(attn_second_order) where the caller was compiled */
    attn_view by_grad_q;        /* U, (B, H, T, D): by dQ; zeros when data is NULL, likewise the next four */
    attn_view by_grad_k;        /* W, (B, HK, S, D): by dK */
    attn_view by_grad_v;        /* Y, (B, HK, S, DV): by dV */
    attn_mask by_grad_bias;     /* Z, (B, H, T, S): by dBias, a stride of 0 where that was summed */
    const float *by_grad_sinks; /* z', (H), contiguous: by dz */
    attn_output grad_q;         /* (B, H, T, D), not computed when data is NULL; likewise the next five */
    attn_output grad_k;         /* (B, HK, S, D) */
    attn_output grad_v;         /* (B, HK, S, DV) */
    attn_output grad_grad_o;    /* (B, H, T, DV): by dO */
    attn_mask_output grad_bias; /* (B, H, T, S), as desc's */
    float *grad_sinks;          /* (H) */

    /* From here on a caller compiled against an older header has no fields: they count as zero. */
    attn_output grad_grad_lse; /* (B, H, T), row counts queries, of the log-sum-exp's type: by dlse; not computed when
                                  data is NULL */
} attn_second_order;

/* Fills *second for desc's sizes: contiguous views in the order above, all data NULL. struct_size is
 * sizeof(attn_second_order); nothing beyond it is written. second NULL is ignored; with desc NULL, or one that
 * attn_desc_init did not fill, strides are 0. */
ATTN_API void attn_second_order_init(attn_second_order *second, size_t struct_size, const attn_desc *desc);

/* Bytes of workspace that attn_double_backward needs, into *size: as attn_backward's, and three numbers for each query
 * and head; with bf16 and fp16 the gradients of rows are summed in it, in fp32. Data is not read, but whether
 * by_grad_bias and the gradients have any counts. Statuses as attn_double_backward's that need none. */
ATTN_API attn_status attn_double_backward_workspace_size(const attn_desc *desc, const attn_second_order *second,
                                                         size_t *size);

/* The gradient of the gradient: of a loss whose gradients by attn_backward's results dQ, dK, dV, dBias and dz are U, W,
 * Y, Z and z', those by Q, K, V, the bias, dO, dlse and the sinks z. With backward's letters, f the cap, s the score
 * before it, and for query i and key j
 *
 *     a_ij = M_ij dO_i V_j        e_ij = M_ij dO_i Y_j        g_ij = scale * (U_i K_j + Q_i W_j)
 *     r_ij = f'(s_ij) g_ij + Z_ij        rho_i = sum over j of P_ij r_ij
 *     sigma_i = sum over j of P_ij (a_ij r_ij + e_ij) - (2 delta_i + dlse_i) rho_i
 *
 *     A = P .* (r - rho)          E = P .* (a - delta)
 *     X = E .* r + P .* (e - rho a - sigma)
 *     C = f'(s) .* X + E .* f''(s) .* g
 *
 *     by Q: scale * (C K + (f'(s) .* E) W)             by V: (M .* A)^T dO
 *     by K: scale * (C^T Q + (f'(s) .* E)^T U)         by dO: (M .* A) V + (M .* P) Y
 *     by the bias: X                                   by dlse: rho
 *
 * where a sink is one more key with a = e = 0 and r = z'. This is the chain rule through attn_backward's formulas, dO,
 * dlse and the inputs being independent and O and the log-sum-exp what forward makes of the inputs; sums over j run
 * over tiles, twice, so that no T x S matrix is held.
 *
 * Reads what attn_backward reads, with the same options, and second's by_grad_q, by_grad_k, by_grad_v,
 * by_grad_bias and by_grad_sinks; writes, not adds to, second's other arrays, those that have data. The gradients in
 * desc are not looked at. by_grad_q, by_grad_k, by_grad_v and the gradients in their and O's shapes are of desc's
 * dtype, those of the bias and the sinks as in attn_backward; bf16 and fp16 have the bits of an fp32 call on the same
 * numbers, rounded. Causal, windows, masks of any kind, a bias, key lengths, packed sequences, slopes, sinks, caps,
 * dropout and grouped heads are as in attn_backward; slopes are constants. Rows without any key left get and give
 * zeros. Workspace and thread safety as attn_forward; bits do not depend on the thread count.
 *
 * Statuses as attn_backward, and ATTN_ERROR_ARGUMENT: second NULL, or its struct_size too small; gradients of
 * sinks or a bias without these. ATTN_ERROR_UNSUPPORTED: additive scores; a score function, which tells no second
 * derivative. */
ATTN_API attn_status attn_double_backward(const attn_desc *desc, const attn_second_order *second, void *workspace,
                                          size_t workspace_size);

/* A part of the weights: sequences batch .. batch + batches - 1, likewise heads and rows (queries). */
typedef struct attn_region {
    int64_t batch, batches;
    int64_t head, heads;
    int64_t row, rows;
} attn_region;

/* W = softmax(mask(softcap(scale * Q K^T) + bias)), or of the additive scores, for the chosen sequences, heads and
 * queries only, so that the whole B x H x T x S array need not exist: w(b, h, i, j) is the weight of key j for query
 * region->row + i of head region->head + h of sequence region->batch + b, for j in 0 .. S - 1. Without dropout, which
 * is training's noise. With a sink the weights of a row sum to less than 1: the rest is the sink's.
 *
 * Reads desc's q, k, masks, slopes, sinks and score vector; w is (batches, heads, rows, S), its last dimension
 * contiguous. region NULL: all. Of packed sequences each chosen one must have the chosen rows, and has as many weights
 * a row as it has keys. A fully masked row is zeros. Needs no workspace: each row of w is its own. Thread-safe as long
 * as w is its own.
 *
 * Statuses as attn_forward, and ATTN_ERROR_ARGUMENT: a region outside desc's sizes; w NULL. */
ATTN_API attn_status attn_weights(const attn_desc *desc, const attn_region *region, const attn_output *w);

/* Bytes of workspace that attn_weights_column_sums needs for desc, into *size: a constant for each thread and D, for
 * any T and S. Data is not read. Statuses as attn_forward_workspace_size. */
ATTN_API attn_status attn_weights_column_sums_workspace_size(const attn_desc *desc, size_t *size);

/* How much is attended to each key: sums(b, h, j) is the sum of attn_weights' w(b, h, i, j) over the queries i of the
 * region, for its sequences and heads and all S keys, without any row of weights being held. From the log-sum-exp that
 * forward left, as backward has them: what forward rounded there is in them; a tile's weights are added in fp32, the
 * tiles' sums in fp64, in an order that the sizes alone decide.
 *
 * Reads desc's q, k, masks, slopes, score vector and lse (sinks are in that), neither v nor o; sums is (batches, heads,
 * S), row counts keys. region NULL: all; of packed sequences each chosen one must have the chosen rows, and has as many
 * sums as it has keys. Keys that no query attends to get 0, a query without keys gives none. Workspace and thread
 * safety as attn_forward.
 *
 * Statuses as attn_forward, and ATTN_ERROR_ARGUMENT: a region outside desc's sizes; sums NULL; lse NULL where it has
 * elements. */
ATTN_API attn_status attn_weights_column_sums(const attn_desc *desc, const attn_region *region, const attn_output *sums,
                                              void *workspace, size_t workspace_size);

/* A part of a result: what attn_forward wrote for some of the keys alone. */
typedef struct attn_part {
    attn_view o;   /* (B, H, T, DV) */
    attn_view lse; /* (B, H, T), row counts queries */
} attn_part;

/* The result over all keys from `count` results over disjoint sets of them, for each sequence, head and query
 *
 *     lse = log(sum over n of exp(lse_n))      O = sum over n of exp(lse_n - lse) O_n
 *
 * in the order of the parts. So keys that lie in several places can be attended to one set after another; and a prefix
 * that sequences share is kept once and read once, by a call with B = 1 and the queries of all sequences as those of
 * one (q.row the stride between sequences), then merged with what each sequence's own keys gave
 * (examples/shared_prefix.c). What attn_backward wants for each part are the merged o and lse; its grad_k and grad_v
 * are then that part's, and the parts' grad_q are to be added.
 *
 * Reads the parts and desc's B, H, T, DV and parallel; writes desc's o, and lse where it has data. parts may be NULL
 * when count is 0, which gives rows of zeros and -inf. A part without any key left for a row, its lse -inf, adds
 * nothing to it, and its o is not looked at there; one whose lse is NaN or +inf makes the row NaN. desc's o may be one
 * of the parts' o in the same place with the same strides, likewise lse; otherwise they overlap no part. Weights and
 * sums are fp32, the sum of weights fp64; bf16 and fp16 parts are rounded already, and the result is once more. What a
 * part counts is no more exact than its lse: near +-1e4 to some 1e-3, and from +-1e9 on, as where a mask of -1e9 leaves
 * a row nothing else, fp32 cannot tell how many keys a part has. Needs no workspace. Thread-safe as long as the outputs
 * are its own.
 *
 * Statuses as attn_forward_workspace_size, and ATTN_ERROR_ARGUMENT: count negative; parts NULL; o or a part's data NULL
 * where it has elements; an output whose dimension above 1 has stride 0. ATTN_ERROR_OVERFLOW: a view that spans more
 * than the address space. ATTN_ERROR_UNSUPPORTED: packed sequences, whose rows are merged as those of one; a dtype but
 * fp32, bf16 and fp16. Milakov and Gimelshein, "Online normalizer calculation for softmax" (2018), equation 4. */
ATTN_API attn_status attn_merge(const attn_desc *desc, const attn_part *parts, int64_t count);

/* The keys and values of B sequences, kept from one call to the next. Key j of sequence b lies in row j of its own
 * array, or, in pages, in row j % page_size of the page whose number is page_table[b * table_row + j / page_size]: any
 * page may be any sequence's, and several may share one. */
typedef struct attn_cache {
    size_t struct_size; /* sizeof(attn_cache) where the caller was compiled */
    attn_dtype dtype;   /* of K and V: fp32, bf16, fp16 or int8, aligned as that asks */
    int64_t B, HK, D, DV;
    int64_t S;     /* keys that a sequence has room for */
    attn_output k; /* (B, HK, S, D); in pages (pages, HK, page_size, D), batch the stride from a page to the next */
    attn_output v; /* (B, HK, S, DV), or (pages, HK, page_size, DV) likewise */
    const int64_t *lengths; /* (B) keys that each sequence has, each in 0 .. S, the newest included */

    int64_t page_size;         /* keys in a page; 0: no pages */
    int64_t pages;             /* that K and V have */
    const int32_t *page_table; /* each entry that is used in 0 .. pages - 1; NULL without pages */
    int64_t table_row;         /* from a sequence's entries to the next one's; at least S / page_size, rounded up */

    attn_output k_scales; /* int8 alone, else data NULL: fp32 (B, HK, S) or (pages, HK, page_size), row counts keys; */
    attn_output v_scales; /* element c of row j of K is k_scales_j * k_jc, of V v_scales_j * v_jc */

    attn_dtype new_dtype; /* of the rows that attn_append is given, whatever dtype is: fp32, bf16 or fp16 */
} attn_cache;

/* Fills *cache for these sizes: fp32, new rows likewise, K, V and the scales contiguous in the order above, their data,
 * the lengths and the page table NULL. page_size 0: no pages, and pages is not looked at. struct_size is
 * sizeof(attn_cache); nothing beyond it is written. Sizes are checked when the cache is used. cache NULL is ignored. */
ATTN_API void attn_cache_init(attn_cache *cache, size_t struct_size, int64_t B, int64_t HK, int64_t S, int64_t D,
                              int64_t DV, int64_t page_size, int64_t pages);

/* Which of a row's first R dimensions make a pair. Numbers pinned. */
typedef enum attn_rotary_kind {
    ATTN_ROTARY_INTERLEAVED = 0, /* (x_2n, x_2n+1): Su's own, GPT-J's */
    ATTN_ROTARY_HALVES = 1       /* (x_n, x_n+R/2): GPT-NeoX's, Llama's in Hugging Face's order of the weights */
} attn_rotary_kind;

/* Rotary positions: pair n of a row at position p, (x, y) before, becomes
 *
 *     (x cos a - y sin a, x sin a + y cos a),     a = p * theta_n, n in 0 .. R / 2 - 1
 *
 * so that the product of a query at p and a key at j depends on p - j alone. The cosines and sines of P positions stand
 * in tables, which attn_rotary_fill fills for theta_n = base^(-2n / R), or the caller for any scaling of the angles.
 * Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding" (2021), equations 14, 15 and 34. */
typedef struct attn_rotary {
    size_t struct_size; /* sizeof(attn_rotary) where the caller was compiled */
    attn_rotary_kind kind;
    int64_t P, R;                 /* R even, at most D; the dimensions from R on stay as they are */
    const float *cosines, *sines; /* (P, R / 2), contiguous: entry (p, n) at [p * (R / 2) + n] */
} attn_rotary;

/* Fills *rotary; struct_size is sizeof(attn_rotary), nothing beyond it is written. What is given is checked when it is
 * used. rotary NULL is ignored. */
ATTN_API void attn_rotary_init(attn_rotary *rotary, size_t struct_size, attn_rotary_kind kind, int64_t P, int64_t R,
                               const float *cosines, const float *sines);

/* Writes cos(p * base^(-2n / R)) and its sine, (P, R / 2) each, for positions 0 .. P - 1. Angles and functions in fp64,
 * rounded once. base is 10000 in the paper. The tables may be NULL when P or R is 0, and must not overlap. Thread-safe
 * as long as they are its own. ATTN_ERROR_ARGUMENT: P negative; R negative or odd; a table NULL or misaligned; a base
 * not finite or not above 0. ATTN_ERROR_OVERFLOW: P * R does not fit. */
ATTN_API attn_status attn_rotary_fill(float *cosines, float *sines, int64_t P, int64_t R, double base);

/* Turns the queries: row (b, h, i) of y, (B, H, T, D), is that of desc's q turned to the position at which query i of
 * sequence b stands: where desc's query_offsets or query_offset say; or with lengths (B), a cache's, and no
 * query_offsets at lengths[b] - T + i, as in attn_decode. A position below 0 is taken as 0.
 *
 * Reads desc's sizes, q, offsets and parallel; writes y, of q's dtype, which may be q itself, with its strides. In
 * fp32, each product rounded, and what becomes bf16 or fp16 rounded once more. Needs no workspace. Thread-safe as long
 * as y is its own.
 *
 * Statuses as attn_forward_workspace_size, and ATTN_ERROR_ARGUMENT: rotary or y NULL; R above D; anything that
 * attn_rotary_fill refuses; a position that is not below P; a negative length; q.data or y's NULL where they have
 * elements. ATTN_ERROR_UNSUPPORTED: packed sequences; a dtype but fp32, bf16 and fp16; a kind, or a field of a later
 * version, that this version does not know. */
ATTN_API attn_status attn_rotate(const attn_desc *desc, const int64_t *lengths, const attn_rotary *rotary,
                                 const attn_output *y);

/* Puts T new keys and values of each sequence into a cache whose lengths count them already: row i of k, (B, HK, T, D),
 * and v, (B, HK, T, DV), of sequence b become key and value j = lengths[b] - T + i; where that is negative they are
 * left out, so that sequences of different lengths come together aligned at their ends, and one of length 0 gets
 * nothing. With rotary (NULL: without) keys are turned to position j as attn_rotate does, in fp32 whatever new_dtype
 * is, values never; then a bf16 or fp16 cache gets them rounded to nearest, ties to even, and an int8 one as
 *
 *     scale = max over c of |x_c| / 127,      x_c / scale rounded to nearest, ties to even, in -127 .. 127
 *
 * with a scale of its own for each row of each head: scale times the byte is within 0.501 * scale of x_c. A row whose
 * numbers are all below 2^-100 becomes zeros with scale 0, one with a NaN or an infinity a NaN scale. A step of a
 * decoder is
 *
 *     lengths[b] += T for each b;  then in each layer:  attn_append(...), attn_rotate(...) for Q, attn_decode(...)
 *
 * Reads k, v, both of the cache's new_dtype, and its lengths and page table; writes those rows of K and V and their
 * scales, nothing between them: the bits do not depend on new_dtype, only on the numbers. A page that gets new rows
 * must not be another sequence's too: two entries of the page table whose new rows would go to one page are refused,
 * but that no older keys of another sequence lie there is not looked at. parallel NULL: the default. Needs no
 * workspace. Thread-safe as long as nobody else uses these rows.
 *
 * ATTN_ERROR_ARGUMENT, ATTN_ERROR_UNSUPPORTED and ATTN_ERROR_OVERFLOW as attn_decode says them of a cache and
 * attn_rotate of rotary and positions; B * HK * T does not fit; T negative; k or v NULL, or their data where they have
 * elements; threads outside 0 .. 1024. */
ATTN_API attn_status attn_append(const attn_cache *cache, int64_t T, const attn_view *k, const attn_view *v,
                                 const attn_rotary *rotary, const attn_parallel *parallel);

#define ATTN_DECODE_QUERIES 16 /* of a sequence, at most, in attn_decode */

/* Bytes of workspace that attn_decode needs, into *size: some 0.3 MB a thread and, for every 512 of the S keys that a
 * sequence has room for, one O and two numbers of B * H * T rows. Neither data nor lengths are looked at.
 *
 * Statuses as attn_forward_workspace_size, the same of cache, and ATTN_ERROR_ARGUMENT: a size of cache that is not
 * desc's; key_lengths, query_starts or key_starts set; query_offset other than 0 without query_offsets.
 * ATTN_ERROR_UNSUPPORTED: T above ATTN_DECODE_QUERIES; fp64; dropout; additive scores; a score
 * function; a cache's dtype that this version does not know. */
ATTN_API attn_status attn_decode_workspace_size(const attn_desc *desc, const attn_cache *cache, size_t *size);

/* attn_forward for a few queries a sequence against a cache: O and, where desc->lse has data, the log-sum-exp. Sequence
 * b has cache->lengths[b] keys, and its queries are the last ones,
 *
 *     query i stands at position p = lengths[b] - T + i,
 *
 * unless desc->query_offsets says where they stand. So with causal each query sees all keys up to its own, which
 * were put into the cache before. Each row of K and V is read once for all T queries of the H / HK heads that share it.
 *
 * Q and O are of desc's dtype, fp32, bf16 or fp16, K and V of the cache's, whichever that is. Queries are made fp32,
 * and O is rounded once, when the chunks are merged.
 *
 * Reads desc's q, masks, slopes, sinks and options, not its k and v, and the cache; writes o and lse. Rows of K and V,
 * pages and entries of the page table that no query sees, by lengths, causal or window, are not read: pages that a
 * window has left behind may be gone. A sequence of length 0 gives rows of zeros. What a bf16 or fp16
 * cache holds is made fp32 exactly, so that the bits are those of an fp32 cache that holds the same. The bytes of an
 * int8 cache are made fp32 exactly too; a row's scale multiplies its score, or its weight, in fp32. But where desc is
 * bf16, the cache bf16 or int8, and the CPU multiplies bf16 itself, products are its. Of bf16 they are those of
 * attn_forward, weights rounded to bf16. With int8, D at most 512 and DV at most 256, queries and weights become
 * integers of 16 bits for each chunk of keys, which multiply the bytes exactly: what is above 2^-7 of a query's largest
 * number stays as it is, what is below moves by at most 2^-15 of that, a weight, with its row's scale, by 2^-14.9 of
 * the largest (of rows whose largest is below 2^-100 by 2^-114), and what rounding takes from one another gets, so that
 * many small ones keep their sum. Keys are cut in chunks of 512, merged in order as
 * attn_merge does, but by their largest scores and sums, so that keys count the same however far out scores are: the
 * bits depend on neither the threads nor the batch, the pages, S or T. Workspace and thread safety as attn_forward; the
 * cache may be read by several calls at once.
 *
 * Statuses as attn_decode_workspace_size and attn_forward, and ATTN_ERROR_ARGUMENT: lengths NULL, or one outside 0 ..
 * S; an entry of the page table that is used and outside 0 .. pages - 1; page_table NULL with pages, or not NULL
 * without; k_scales or v_scales without data in an int8 cache, or with data in another. */
ATTN_API attn_status attn_decode(const attn_desc *desc, const attn_cache *cache, void *workspace,
                                 size_t workspace_size);

/* This library's version, "major.minor.patch" in decimal digits: of the header that it was built with. Never NULL. */
ATTN_API const char *attn_version(void);

/* The processor's name as it gives it, with its family and model ("" where it gives none); the widest instruction set
 * found on it that this library has kernels for; and the one that is used: the found one, or a narrower one that
 * ATTN_CPU in the environment names when the library is first used. Each of the latter two is "scalar", on x86-64
 * "avx2", "avx512", "avx512bf16" or "amx", on aarch64 "neon". Never NULL. An ATTN_CPU that names none of this
 * architecture's makes every operator call fail, and attn_cpu_used say "none". On Linux, where a CPU has AMX, the first
 * call of this library asks the system to let the process use its registers; without them "avx512bf16" is found. */
ATTN_API const char *attn_cpu_name(void);
ATTN_API const char *attn_cpu_found(void);
ATTN_API const char *attn_cpu_used(void);

#ifdef __cplusplus
}
#endif
#endif
