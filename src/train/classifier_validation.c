#include "train/classifier_validation.h"

#include "base/status.h"
#include "input/example_plan.h"

#include <stdlib.h>

#define EXAMPLES_AT_ONCE 128

static int64_t most_likely(const float *logits, int64_t labels)
{
    int64_t best = 0;
    for (int64_t i = 1; i < labels; i++) {
        if (logits[i] > logits[best]) best = i;
    }
    return best;
}

static attn_status validate_batch(const classifier *model, tape *t, const classifier_batch *b, double *nll,
                                  class_count *counts)
{
    const int64_t labels = model->config.label_count;
    double batch_nll = 0;
    int64_t counted = 0;
    tape_begin(t, 0);
    tensor *logits = classifier_logits(t, model, &b->input, NULL);
    tape_cross_entropy(t, logits, b->expected, 0, &batch_nll, &counted);
    attn_status s = tape_status(t);
    if (s != ATTN_OK) return s;
    *nll += batch_nll;
    for (int64_t i = 0; i < b->input.batch; i++)
        class_count_answer(counts, b->expected[i], most_likely(logits->value + i * labels, labels));
    return ATTN_OK;
}

/* Examples of about equal length together. */
static int64_t *sorted_order(const loaded_examples *e)
{
    int64_t *lengths = malloc(((size_t)e->count + 1) * sizeof *lengths);
    example_plan plan = {0};
    for (int64_t i = 0; lengths && i < e->count; i++) lengths[i] = e->ids ? loaded_examples_length(e, i) : 0;
    if (!lengths || example_plan_create(&plan, e->count, EXAMPLES_AT_ONCE, lengths, 0) != ATTN_OK)
        example_plan_clear(&plan);
    free(lengths);
    return plan.order;
}

static attn_status validate_all(const classifier *model, tape *t, classifier_batch *b, const batch_maker *m,
                                const int64_t *order, stop_question stop, double *nll, class_count *counts)
{
    const int64_t count = m->examples->count;
    for (int64_t at = 0; at < count; at += EXAMPLES_AT_ONCE) {
        if (stop_asked(stop)) return status_fail(ATTN_ERROR_INTERRUPTED, "stopped during validation");
        const int64_t left = count - at;
        attn_status s = classifier_batch_fill(b, m, order + at, left < EXAMPLES_AT_ONCE ? left : EXAMPLES_AT_ONCE, 0);
        if (s == ATTN_OK) s = validate_batch(model, t, b, nll, counts);
        if (s != ATTN_OK) return s;
    }
    return ATTN_OK;
}

attn_status classifier_validate(const classifier *model, const batch_maker *m, stop_question stop, double *loss,
                                class_count *counts)
{
    tape *t = NULL;
    classifier_batch b = {0};
    double nll = 0;
    int64_t *order = sorted_order(m->examples);
    attn_status s =
        order ? tape_create(&t, TAPE_INFER, m->threads) : status_fail(ATTN_ERROR_MEMORY, "out of memory to validate");
    if (s == ATTN_OK) s = validate_all(model, t, &b, m, order, stop, &nll, counts);
    *loss = nll / (double)m->examples->count;
    classifier_batch_clear(&b);
    tape_destroy(t);
    free(order);
    return s;
}
