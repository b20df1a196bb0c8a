#include "train/validation.h"

#include "base/status.h"
#include "input/batches.h"
#include "train/batch_loss.h"

#define VALIDATION_TOKENS 4000

static attn_status mean_loss(double *loss, tape *t, const seq2seq *m, const train_data *data, const batch_plan *plan,
                             batch *b, stop_question stop)
{
    double nll = 0;
    int64_t counted = 0;
    for (int64_t i = 0; i < plan->count; i++) {
        if (stop_asked(stop)) return status_fail(ATTN_ERROR_INTERRUPTED, "stopped during validation");
        attn_status s = batch_fill(b, plan, i, &data->valid, m->sizes.pad_id, m->sizes.start_id);
        if (s != ATTN_OK) return s;
        double batch_nll = 0;
        int64_t batch_counted = 0;
        tape_begin(t, 0);
        batch_loss(t, m, b, 0, &batch_nll, &batch_counted);
        s = tape_status(t);
        if (s != ATTN_OK) return s;
        nll += batch_nll;
        counted += batch_counted;
    }
    *loss = nll / (double)counted;
    return ATTN_OK;
}

attn_status validation_loss(double *loss, const seq2seq *m, const train_data *data, int threads, stop_question stop)
{
    tape *t = NULL;
    batch_plan plan = {0};
    batch b = {0};
    attn_status s = tape_create(&t, TAPE_INFER, threads);
    if (s == ATTN_OK) s = batch_plan_create(&plan, &data->valid, VALIDATION_TOKENS, 0);
    if (s == ATTN_OK) s = mean_loss(loss, t, m, data, &plan, &b, stop);
    batch_clear(&b);
    batch_plan_clear(&plan);
    tape_destroy(t);
    return s;
}
