#include "train/started_settings.h"

#include "base/plural.h"
#include "base/status.h"

/* As transformers' Trainer begins, far below training from nothing, whose rate would forget what is known; and reached
 * early, since a few examples of one's own are a few dozen steps, which a long warm-up would end with nothing learnt.
 */
#define USUAL_RATE 5e-5
#define USUAL_WARMUP 20

attn_status started_fix(attn_seq_train_options *o, const setting_default *list)
{
    attn_status s = ATTN_OK;
    for (; list->name && s == ATTN_OK; list++) s = setting_fix(o, list->name, list->value);
    return s;
}

void started_prefer_rate(attn_seq_train_options *o)
{
    setting_prefer(o, "rate", USUAL_RATE);
    setting_prefer(o, "warmup", USUAL_WARMUP);
}

attn_status started_longest(attn_seq_train_options *o, int64_t positions, int64_t usual)
{
    setting_prefer(o, "longest", (double)(positions < usual ? positions : usual));
    if (o->longest <= positions) return ATTN_OK;
    return status_fail(ATTN_ERROR_ARGUMENT, "longest = %lld, but the model of %s has %lld position%s",
                       (long long)o->longest, o->from, (long long)positions, plural(positions));
}
