#include "tensor/tape_weights.h"

#include "base/arena.h"

/* The product with one pair of weights, or with their transpose, in this step. */
typedef struct step_weights {
    struct step_weights *next;
    const tensor *w;
    bool transposed;
    dense_packed *packed; /* from the second product on */
} step_weights;

static step_weights *find(const step_weights_list *list, const tensor *w, bool transposed)
{
    step_weights *s = list->first;
    while (s && (s->w != w || s->transposed != transposed)) s = s->next;
    return s;
}

/* Where memory is short they are not packed. */
static void remember(step_weights_list *list, arena *memory, const tensor *w, bool transposed)
{
    step_weights *s = arena_take(memory, sizeof *s);
    if (!s) return;
    *s = (step_weights){list->first, w, transposed, NULL};
    list->first = s;
}

attn_status step_weights_pack(step_weights_list *list, arena *memory, dense_type type, int threads, const tensor *w,
                              bool transposed, const dense_packed **out)
{
    step_weights *s = find(list, w, transposed);
    *out = s ? s->packed : NULL;
    if (!s) remember(list, memory, w, transposed);
    if (!s || s->packed) return ATTN_OK;
    const int64_t O = w->shape[0], I = tensor_count(w) / O;
    attn_status status =
        dense_pack(&s->packed, type, threads, transposed ? O : I, transposed ? I : O, w->value, transposed);
    *out = s->packed;
    return status;
}

void step_weights_forget(step_weights_list *list)
{
    for (step_weights *s = list->first; s; s = s->next) dense_packed_destroy(s->packed);
    list->first = NULL;
}
