#include "train/classifier_defaults.h"

#include "base/status.h"
#include "train/classifier_data.h"

static const setting_default text_defaults[] = {
    {"task", ATTN_SEQ_TASK_CLASSIFY_TEXT},
    {"vocabulary", 8000},
    {"width", 64},
    {"heads", 4},
    {"layers", 2},
    {"ffn", 256},
    {"longest", 256},
    {"batch", 32},
    {"dropout", 0.3},
    {"attention_dropout", 0.1},
    {"rate", 1.5e-3},
    {"warmup", 200},
    {"schedule", ATTN_SEQ_SCHEDULE_FLAT},
    {"cooldown", 0.7},
    {"weight_decay", 0.3},
    {"augment", 3},
    {"average", 0.99},
    {"epochs", 5},
    {"valid_every", 0},
    {NULL, 0},
};
static const setting_default recurrent_defaults[] = {
    {"task", ATTN_SEQ_TASK_CLASSIFY_TEXT},
    {"vocabulary", 8000},
    {"width", 64},
    {"heads", 1},
    {"layers", 1},
    {"longest", 256},
    {"batch", 32},
    {"dropout", 0.5},
    {"rate", 2e-3},
    {"warmup", 200},
    {"schedule", ATTN_SEQ_SCHEDULE_FLAT},
    {"cooldown", 0.7},
    {"weight_decay", 0.3},
    {"augment", 2},
    {"average", 0.99},
    {"epochs", 6},
    {"valid_every", 0},
    {NULL, 0},
};
static const setting_default image_defaults[] = {
    {"task", ATTN_SEQ_TASK_CLASSIFY_IMAGE},
    {"width", 64},
    {"heads", 4},
    {"layers", 6},
    {"ffn", 192},
    {"batch", 64},
    {"dropout", 0},
    {"rate", 2e-3},
    {"warmup", 300},
    {"schedule", ATTN_SEQ_SCHEDULE_FLAT},
    {"cooldown", 0.8},
    {"weight_decay", 0.05},
    {"augment", 1},
    {"average", 0.998},
    {"epochs", 30},
    {"valid_every", 0},
    {NULL, 0},
};
static const setting_default audio_defaults[] = {
    {"task", ATTN_SEQ_TASK_CLASSIFY_AUDIO},
    {"width", 64},
    {"heads", 4},
    {"layers", 4},
    {"ffn", 192},
    {"batch", 32},
    {"dropout", 0.1},
    {"rate", 2e-3},
    {"warmup", 200},
    {"schedule", ATTN_SEQ_SCHEDULE_FLAT},
    {"cooldown", 0.8},
    {"weight_decay", 0.05},
    {"augment", 1},
    {"average", 0.998},
    {"epochs", 40},
    {"valid_every", 0},
    {NULL, 0},
};

attn_status classifier_defaults(const attn_seq_train_options *o, const setting_default **list)
{
    static const setting_default *const lists[] = {text_defaults, image_defaults, audio_defaults};
    example_kind kind = classifier_example_kind(o->task);
    *list = text_defaults;
    if (!o->train) return ATTN_OK; /* which is refused with words of its own */
    attn_status s = o->task >= 0 ? ATTN_OK : example_kind_of(o->train, &kind);
    if (s != ATTN_OK) return s;
    *list = o->arch > ATTN_SEQ_ARCH_TRANSFORMER ? recurrent_defaults : lists[kind];
    if (o->arch <= ATTN_SEQ_ARCH_TRANSFORMER || kind == EXAMPLES_TEXT) return ATTN_OK;
    return status_fail(ATTN_ERROR_ARGUMENT,
                       "arch = %lld, a recurrent network, expected a Transformer for images and "
                       "recordings",
                       (long long)o->arch);
}
