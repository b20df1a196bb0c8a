/* One recurrent layer while it runs: what its forward pass (recurrent_layer.c) leaves for its backward pass
 * (recurrent_backward.c). */
#ifndef HIDDEN_RECURRENCE_H
#define HIDDEN_RECURRENCE_H

#include "hidden/recurrent.h"

#include "base/parallel.h"

/* One layer's recurrence over the gates' inputs. Rows of all steps lie sequence by sequence, (B*T, ...); what is called
 * a step's has B rows. */
typedef struct recurrence {
    recurrent_cell cell;
    int64_t B, T, H, gates;
    const int64_t *lengths;
    bool backward;
    tensor *g, *u, *b; /* (B*T, gates*H), first W x + b, then the gates' values; (gates*H, H); (gates*H) */
    tensor *h0, *c0;   /* (B, H) or NULL */
    tensor *y;         /* (B*T, H) */
    tensor *h_last, *c_last;
    float *inner;         /* (B*T, H): an LSTM's c, a GRU's recurrent part of n */
    float *zeros;         /* (H), before the first step where nothing is given */
    dense_packed *packed; /* u, for the steps that are being run; NULL: not worth it */
    tape *t;
    int64_t step;
    float *state, *product; /* the step's h (B, H), U h + b (B, gates*H) */
    float *d_h, *d_c;       /* (B, H) */
    float *d_product;       /* (B, gates*H) of the step */
    float *d_products;      /* (B*T, gates*H) of all, where they are not those of g */
    float *states;          /* (B*T, H): those that the products of all steps were of */
} recurrence;

int64_t recurrence_length(const recurrence *r, int64_t b);

/* The row that sequence b's step s is; -1 before its first. */
int64_t recurrence_row(const recurrence *r, int64_t b, int64_t s);

/* Row `row` of an array of all steps, or what came before the first. */
const float *recurrence_before(const recurrence *r, const float *all, const tensor *first, int64_t row, int64_t b);

/* Runs body(r, b) for every sequence b, on all workers. */
void recurrence_for_sequences(recurrence *r, void (*body)(recurrence *r, int64_t b));

/* Packs u for the products of all steps, where that is worth it, as it is or transposed. */
attn_status recurrence_pack(recurrence *r, bool transposed);
void recurrence_unpack(recurrence *r);

/* The tape's backward function; `operation` is a recurrence. */
void recurrence_backward(tape *t, void *operation);

#endif
