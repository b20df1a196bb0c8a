#include "train/classifier_started.h"

#include "base/status.h"
#include "model/classifier_renewed.h"

/* As transformers' Trainer begins, far below training from nothing, whose rate would forget what is known. */
#define USUAL_RATE 5e-5
#define USUAL_DECAY 0.01
#define USUAL_LONGEST 256

typedef struct fixed_setting {
    const char *name; /* NULL ends a list */
    double value;
} fixed_setting;

static attn_status fix_sizes(attn_seq_train_options *o, const classifier_config *c)
{
    static const attn_seq_arch archs[] = {[RECURRENT_RNN] = ATTN_SEQ_ARCH_RNN,
                                          [RECURRENT_LSTM] = ATTN_SEQ_ARCH_LSTM,
                                          [RECURRENT_GRU] = ATTN_SEQ_ARCH_GRU};
    const bool is_recurrent = c->family == CLASSIFIER_RECURRENT;
    const fixed_setting fixed[] = {
        {"arch", is_recurrent ? archs[c->cell] : ATTN_SEQ_ARCH_TRANSFORMER},
        {"vocabulary", (double)c->vocab_size},
        {"width", (double)c->width},
        {"layers", (double)c->layers},
        {is_recurrent ? "embedding" : "heads", (double)(is_recurrent ? c->embedding : c->heads)},
        {is_recurrent ? NULL : "ffn", (double)c->ffn},
        {NULL, 0},
    };
    attn_status s = ATTN_OK;
    for (const fixed_setting *f = fixed; f->name && s == ATTN_OK; f++) s = setting_fix(o, f->name, f->value);
    return s;
}

static attn_status fix_text(attn_seq_train_options *o, const classifier_config *c)
{
    attn_status s = fix_sizes(o, c);
    if (s != ATTN_OK) return s;
    setting_prefer(o, "rate", USUAL_RATE);
    setting_prefer(o, "weight_decay", USUAL_DECAY);
    setting_prefer(o, "augment", 0); /* what is known was learnt from whole texts */
    setting_prefer(o, "dropout", c->dropout);
    if (c->family != CLASSIFIER_RECURRENT) setting_prefer(o, "attention_dropout", c->attention_dropout);
    setting_prefer(o, "longest", (double)(c->max_positions < USUAL_LONGEST ? c->max_positions : USUAL_LONGEST));
    if (o->longest <= c->max_positions) return ATTN_OK;
    return status_fail(ATTN_ERROR_ARGUMENT, "longest = %lld, but the model of %s has %lld positions",
                       (long long)o->longest, o->from, (long long)c->max_positions);
}

/* Texts, as the task or the examples tell. */
static attn_status expect_texts(const attn_seq_train_options *o)
{
    example_kind kind = classifier_example_kind(o->task);
    attn_status s = o->task >= 0 || !o->train ? ATTN_OK : example_kind_of(o->train, &kind);
    if (s != ATTN_OK || kind == EXAMPLES_TEXT) return s;
    return status_fail(ATTN_ERROR_ARGUMENT, "from = %s, a model of texts, but the examples are of kind %s", o->from,
                       example_kind_name(kind));
}

attn_status classifier_started_settings(attn_seq_train_options *o)
{
    classifier_config c;
    attn_status s = classifier_encoder_read(&c, o->from);
    const bool is_text = c.family == CLASSIFIER_BERT || c.family == CLASSIFIER_RECURRENT;
    if (s == ATTN_OK && !is_text)
        s = status_fail(ATTN_ERROR_UNSUPPORTED,
                        "from = %s, a model of %s, expected one of texts: others begin from nothing", o->from,
                        c.family == CLASSIFIER_VIT ? "images" : "recordings");
    if (s == ATTN_OK) s = expect_texts(o);
    if (s == ATTN_OK) s = fix_text(o, &c);
    classifier_config_clear(&c);
    return s;
}

static attn_status check(const classifier *m, const classifier_data *d, const char *directory)
{
    const int64_t rows = m->config.vocab_size, pieces = tokenizer_vocabulary(d->tokenizer, TOKENIZER_SOURCE);
    if (pieces > rows)
        return status_fail(ATTN_ERROR_FORMAT,
                           "%s/config.json: vocab_size is %lld, expected at least the vocabulary's %lld", directory,
                           (long long)rows, (long long)pieces);
    if (m->config.label_count == d->labels.count) return ATTN_OK;
    return status_fail(ATTN_ERROR_FORMAT, "%s/config.json: %lld labels, expected the %lld of the examples", directory,
                       (long long)m->config.label_count, (long long)d->labels.count);
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
