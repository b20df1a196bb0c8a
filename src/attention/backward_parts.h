/* Gradients that are summed over the whole batch. Each task adds to a part of its own, so that no two that run at once
 * meet, and a last loop over the heads adds the parts in order. They stand in the workspace behind the workers' pieces:
 *
 *     [sinks, for each head and piece, by its queries | slopes, likewise | score vectors, D for each, by its keys] */
#ifndef ATTENTION_BACKWARD_PARTS_H
#define ATTENTION_BACKWARD_PARTS_H

#include "attention/backward_worker.h"

/* How many chunks the queries and the keys of the longest sequence are cut into: the larger of both numbers. */
int64_t backward_pairs(const backward_plan *plan);

/* A piece is a chunk of queries and one of keys of a sequence. The number of the sequence's first, for b in 0 .. B,
 * that of B being how many there are; and the sequence that a piece belongs to. Where sequences are packed, some pieces
 * have no rows: attention/sequence.h. */
int64_t backward_first_piece(const backward_plan *plan, int64_t b);
int64_t backward_sequence(const backward_plan *plan, int64_t piece);

/* What they take, a whole number of cache lines; false when it does not fit. */
bool backward_parts_bytes(const backward_plan *plan, size_t *bytes);

/* Where the parts stand in the plan's workspace. */
void backward_parts_place(backward_plan *plan);

/* What a head's piece adds to; NULL where that gradient is not wanted. */
double *backward_sink_part(const backward_plan *plan, int64_t h, int64_t piece);
double *backward_slope_part(const backward_plan *plan, int64_t h, int64_t piece);
float *backward_score_vector_part(const backward_plan *plan, int64_t h, int64_t piece);
void backward_zero_parts(const backward_plan *plan, int64_t h, int64_t piece);

/* Adds what the worker's block of queries gives the sink: of each, -exp(sink - lse) * delta. */
void backward_add_sink(const backward_worker *w, double *part);

/* Adds what the worker's tile left in its distance_sums. */
void backward_add_slope(const backward_worker *w, double *part);

/* The last loop: writes grad_sinks, grad_alibi_slopes and grad_score_vector, those that have data. */
void backward_sum_parts(backward_plan *plan);

#endif
