#include "train/classifier_started.h"

#include "base/plural.h"
#include "base/status.h"
#include "model/classifier_renewed.h"
#include "train/recurrent_arch.h"
#include "train/started_settings.h"

#define USUAL_DECAY 0.01
#define USUAL_LONGEST 256

static attn_status fix_encoder(attn_seq_train_options *o, const classifier_config *c)
{
    const setting_default fixed[] = {
        {"arch", ATTN_SEQ_ARCH_TRANSFORMER}, {"width", (double)c->width}, {"heads", (double)c->heads},
        {"layers", (double)c->layers},       {"ffn", (double)c->ffn},     {NULL, 0},
    };
    setting_prefer(o, "attention_dropout", c->attention_dropout);
    return started_fix(o, fixed);
}

static attn_status fix_recurrent(attn_seq_train_options *o, const classifier_config *c)
{
    const setting_default fixed[] = {
        {"arch", recurrent_arch_of(c->cell)},
        {"width", (double)c->width},
        {"embedding", (double)c->embedding},
        {"layers", (double)c->layers},
        {NULL, 0},
    };
    return started_fix(o, fixed);
}

static attn_status fix_text(attn_seq_train_options *o, const classifier_config *c)
{
    attn_status s = setting_fix(o, "vocabulary", (double)c->vocab_size);
    setting_prefer(o, "augment", 0); /* what is known was learnt from whole texts */
    return s == ATTN_OK ? started_longest(o, c->max_positions, USUAL_LONGEST) : s;
}

static attn_status fix_image(attn_seq_train_options *o, const classifier_config *c)
{
    const setting_default fixed[] = {{"image_size", (double)c->rows}, {"patch", (double)c->patch_rows}, {NULL, 0}};
    if (c->rows == c->columns && c->patch_rows == c->patch_columns) return started_fix(o, fixed);
    return status_fail(
        ATTN_ERROR_UNSUPPORTED, "from = %s, whose images are %lld x %lld in patches of %lld x %lld, expected squares",
        o->from, (long long)c->rows, (long long)c->columns, (long long)c->patch_rows, (long long)c->patch_columns);
}

static attn_status fix_sizes(attn_seq_train_options *o, const classifier_config *c)
{
    started_prefer_rate(o);
    setting_prefer(o, "weight_decay", USUAL_DECAY);
    setting_prefer(o, "dropout", c->dropout);
    attn_status s = c->family == CLASSIFIER_RECURRENT ? fix_recurrent(o, c) : fix_encoder(o, c);
    if (s != ATTN_OK) return s;
    if (c->family == CLASSIFIER_VIT) return fix_image(o, c);
    return c->family == CLASSIFIER_AST ? setting_fix(o, "patch", (double)c->patch_rows) : fix_text(o, c);
}

/* Of what the model classifies, as the task or the examples tell. */
static attn_status expect_examples(const attn_seq_train_options *o, classifier_family family)
{
    static const example_kind kinds[] = {[CLASSIFIER_BERT] = EXAMPLES_TEXT,
                                         [CLASSIFIER_VIT] = EXAMPLES_IMAGE,
                                         [CLASSIFIER_AST] = EXAMPLES_AUDIO,
                                         [CLASSIFIER_RECURRENT] = EXAMPLES_TEXT};
    example_kind kind = o->task >= 0 ? classifier_example_kind(o->task) : kinds[family];
    attn_status s = o->task >= 0 || !o->train ? ATTN_OK : example_kind_of(o->train, &kind);
    if (s != ATTN_OK || kind == kinds[family]) return s;
    return status_fail(ATTN_ERROR_ARGUMENT, "from = %s, a model of %ss, but the examples are %ss", o->from,
                       example_kind_name(kinds[family]), example_kind_name(kind));
}

attn_status classifier_started_settings(attn_seq_train_options *o)
{
    classifier_config c;
    attn_status s = classifier_encoder_read(&c, o->from);
    if (s == ATTN_OK) s = expect_examples(o, c.family);
    if (s == ATTN_OK) s = fix_sizes(o, &c);
    classifier_config_clear(&c);
    return s;
}

static attn_status check(const classifier *m, const classifier_data *d, const char *directory)
{
    const int64_t rows = m->config.vocab_size;
    const int64_t pieces = d->tokenizer ? tokenizer_vocabulary(d->tokenizer, TOKENIZER_SOURCE) : 0;
    if (pieces > rows)
        return status_fail(ATTN_ERROR_FORMAT,
                           "%s/config.json: vocab_size is %lld, expected at least the vocabulary's %lld", directory,
                           (long long)rows, (long long)pieces);
    if (m->config.label_count == d->labels.count) return ATTN_OK;
    return status_fail(ATTN_ERROR_FORMAT, "%s/config.json: %lld label%s, expected the %lld of the examples", directory,
                       (long long)m->config.label_count, plural(m->config.label_count), (long long)d->labels.count);
}

attn_status classifier_started_create(classifier **out, const attn_seq_train_options *o, const classifier_data *d,
                                      bool begin, uint64_t key, notice_sink notices)
{
    weights_drawn drawn = {0};
    attn_status s = begin ? classifier_renew(out, o->from, d->labels.count, d->labels.names, key, &drawn)
                          : classifier_open(out, o->model, true);
    if (s != ATTN_OK) return s;
    classifier_set_dropout(*out, (float)o->dropout, (float)o->attention_dropout);
    if (drawn.count > 0)
        notice_tell(notices, "%s: drawn anew, for want of them or for other labels: %s", o->from, drawn.names);
    return check(*out, d, begin ? o->from : o->model);
}
