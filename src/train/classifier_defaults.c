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

/* What has no meaning for each kind of example. */
static const char *const not_of_texts[] = {"image_size", "patch", "embedding", NULL};
static const char *const not_of_recurrent[] = {"image_size", "patch", "heads", "ffn", "attention_dropout", NULL};
static const char *const not_of_images[] = {"vocabulary", "longest", "embedding", NULL};
static const char *const not_of_audio[] = {"vocabulary", "longest", "image_size", "embedding", NULL};

typedef struct kind_settings {
    const char *what;
    const setting_default *defaults;
    const char *const *meaningless;
} kind_settings;

attn_status classifier_defaults(const attn_seq_train_options *o, const setting_default **list)
{
    static const kind_settings kinds[] = {{"a classifier of texts", text_defaults, not_of_texts},
                                          {"a classifier of images", image_defaults, not_of_images},
                                          {"a classifier of recordings", audio_defaults, not_of_audio}};
    static const kind_settings recurrent = {"a recurrent network", recurrent_defaults, not_of_recurrent};
    example_kind kind = classifier_example_kind(o->task);
    *list = text_defaults;
    if (!o->train) return ATTN_OK; /* which is refused with words of its own */
    attn_status s = o->task >= 0 ? ATTN_OK : example_kind_of(o->train, &kind);
    if (s != ATTN_OK) return s;
    const bool is_recurrent = o->arch > ATTN_SEQ_ARCH_TRANSFORMER;
    const kind_settings *settings = is_recurrent ? &recurrent : &kinds[kind];
    *list = settings->defaults;
    if (is_recurrent && kind != EXAMPLES_TEXT)
        return status_fail(ATTN_ERROR_ARGUMENT,
                           "arch = %lld, a recurrent network, expected a Transformer for images and "
                           "recordings",
                           (long long)o->arch);
    /* What a run that is resumed was begun with is complete by now, and was looked at when it began. */
    return o->start == ATTN_SEQ_TRAIN_RESUME ? ATTN_OK : settings_refuse(o, settings->meaningless, settings->what);
}
