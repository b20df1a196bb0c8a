#include "train/settings.h"

#include "base/status.h"
#include "formats/decimal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A new row is a LATER one, of which the standard is what was done before it was there. */
#define AT(field) #field, offsetof(attn_seq_train_options, field), false
#define LATER(field) #field, offsetof(attn_seq_train_options, field), true

const setting setting_table[] = {
    {AT(train), SETTING_TEXT, false, false, 0, 0, 0},
    {AT(train_target), SETTING_TEXT, false, false, 0, 0, 0},
    {AT(valid), SETTING_TEXT, false, false, 0, 0, 0},
    {AT(valid_target), SETTING_TEXT, false, false, 0, 0, 0},
    {LATER(from), SETTING_TEXT, true, false, 0, 0, 0},
    {LATER(arch), SETTING_INTEGER, true, false, ATTN_SEQ_ARCH_TRANSFORMER, ATTN_SEQ_ARCH_TRANSFORMER,
     ATTN_SEQ_ARCH_RNN},
    {LATER(attention), SETTING_INTEGER, true, false, ATTN_SEQ_ATTEND_GENERAL, ATTN_SEQ_ATTEND_NONE,
     ATTN_SEQ_ATTEND_CONCAT},
    {LATER(feeding), SETTING_INTEGER, true, false, 0, 0, 1},
    {LATER(embedding), SETTING_INTEGER, true, false, 0, 0, 16384},
    {AT(vocabulary), SETTING_INTEGER, true, false, 8000, 10, 1000000},
    {AT(width), SETTING_INTEGER, true, false, 256, 2, 16384},
    {AT(heads), SETTING_INTEGER, true, false, 8, 1, 1024},
    {LATER(key_value_heads), SETTING_INTEGER, true, false, 0, 0, 1024},
    {LATER(qk_norm), SETTING_INTEGER, true, false, 0, 0, 1},
    {LATER(softcap), SETTING_NUMBER, true, false, 0, 0, 1e6},
    {AT(layers), SETTING_INTEGER, true, false, 3, 1, 100},
    {AT(ffn), SETTING_INTEGER, true, false, 1024, 1, 65536},
    {AT(longest), SETTING_INTEGER, true, false, 256, 2, 4096},
    {LATER(denoise), SETTING_INTEGER, true, false, 0, 0, 1e15},
    {AT(seed), SETTING_INTEGER, true, false, 1, 0, 0x1p53},
    {AT(batch_tokens), SETTING_INTEGER, true, false, 4000, 2, 10000000},
    {LATER(batch), SETTING_INTEGER, true, false, 64, 1, 1000000},
    {AT(dropout), SETTING_NUMBER, true, false, 0.1, 0, 0.99},
    {LATER(attention_dropout), SETTING_NUMBER, true, false, 0, 0, 0.99},
    {AT(label_smoothing), SETTING_NUMBER, true, false, 0.1, 0, 0.99},
    {AT(rate), SETTING_NUMBER, true, false, 0.001, 0, 10},
    {AT(warmup), SETTING_INTEGER, true, false, 1000, 1, 1000000000},
    {LATER(schedule), SETTING_INTEGER, true, false, ATTN_SEQ_SCHEDULE_ROOT, ATTN_SEQ_SCHEDULE_ROOT,
     ATTN_SEQ_SCHEDULE_FLAT},
    {AT(cooldown), SETTING_NUMBER, true, false, 0.3, 0, 1},
    {AT(clip), SETTING_NUMBER, true, false, 1, 0, 1e9},
    {LATER(weight_decay), SETTING_NUMBER, true, false, 0, 0, 10},
    {LATER(augment), SETTING_NUMBER, true, false, 0, 0, 4},
    {LATER(compute), SETTING_INTEGER, true, false, ATTN_SEQ_COMPUTE_FP32, ATTN_SEQ_COMPUTE_FP32, ATTN_SEQ_COMPUTE_BF16},
    {AT(average), SETTING_NUMBER, true, false, 0.999, 0, 0.9999999},
    {AT(epochs), SETTING_INTEGER, false, true, 10, 0, 1000000},
    {AT(steps), SETTING_INTEGER, false, true, 0, 0, 1e15},
    {AT(minutes), SETTING_NUMBER, false, true, 0, 0, 1e7},
    {LATER(task), SETTING_INTEGER, true, false, 0, 0, ATTN_SEQ_TASK_CLASSIFY_AUDIO},
    {LATER(folds), SETTING_INTEGER, true, false, 10, 0, 1000000},
    {LATER(fold), SETTING_INTEGER, true, false, 0, 0, 1000000},
    {LATER(image_size), SETTING_INTEGER, true, false, 0, 0, 4096},
    {LATER(patch), SETTING_INTEGER, true, false, 0, 0, 4096},
    {AT(valid_every), SETTING_INTEGER, false, false, 1000, 0, 1e15},
    {AT(patience), SETTING_INTEGER, false, false, 10, 0, 1e9},
    {AT(threads), SETTING_INTEGER, false, false, 0, 0, 1024},
    {AT(format), SETTING_INTEGER, false, false, ATTN_SEQ_WEIGHTS_FP32, ATTN_SEQ_WEIGHTS_FP32, ATTN_SEQ_WEIGHTS_INT8},
};
const int setting_count = sizeof setting_table / sizeof *setting_table;

static int64_t *integer_of(const setting *s, const attn_seq_train_options *o)
{
    return (int64_t *)((char *)o + s->offset);
}

static double *number_of(const setting *s, const attn_seq_train_options *o)
{
    return (double *)((char *)o + s->offset);
}

static const char **text_of(const setting *s, const attn_seq_train_options *o)
{
    return (const char **)((char *)o + s->offset);
}

static bool was_said(const setting *s, const attn_seq_train_options *o)
{
    if (s->kind == SETTING_INTEGER) return *integer_of(s, o) >= 0;
    if (s->kind == SETTING_NUMBER) return *number_of(s, o) >= 0; /* false for NaN */
    return *text_of(s, o) != NULL;
}

void setting_write(const setting *s, const attn_seq_train_options *o, char *text, size_t size)
{
    text[0] = '\0';
    if (!was_said(s, o)) return;
    if (s->kind == SETTING_INTEGER)
        snprintf(text, size, "%lld", (long long)*integer_of(s, o));
    else if (s->kind == SETTING_NUMBER)
        decimal_write(text, size, *number_of(s, o));
    else
        snprintf(text, size, "%s", *text_of(s, o));
}

static attn_status read_value(const setting *s, attn_seq_train_options *o, const char *written, const char *path,
                              char **owned)
{
    char *end = NULL;
    if (s->kind == SETTING_TEXT) {
        *owned = strdup(written);
        *text_of(s, o) = *owned;
        return *owned ? ATTN_OK : status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", path);
    }
    if (s->kind == SETTING_INTEGER)
        *integer_of(s, o) = strtoll(written, &end, 10);
    else
        *number_of(s, o) = decimal_read(written, &end);
    if (*end || !was_said(s, o))
        return status_fail(ATTN_ERROR_FORMAT, "%s: %s is \"%.40s\", expected a number", path, s->name, written);
    return ATTN_OK;
}

attn_status setting_adopt(const setting *s, attn_seq_train_options *o, const char *written, const char *path,
                          char **owned)
{
    char standard[64] = "";
    if (!written && s->later) {
        if (s->kind != SETTING_TEXT) decimal_write(standard, sizeof standard, s->standard);
        written = standard;
    }
    if (!written) return status_fail(ATTN_ERROR_FORMAT, "%s: %s is missing", path, s->name);
    if (!was_said(s, o)) return written[0] ? read_value(s, o, written, path, owned) : ATTN_OK;
    char said[4096];
    setting_write(s, o, said, sizeof said);
    if (s->fixed && strcmp(said, written) != 0)
        return status_fail(ATTN_ERROR_ARGUMENT, "%s = %s, but the run that %s holds was begun with %s = %s", s->name,
                           said, path, s->name, written[0] ? written : "none");
    return ATTN_OK;
}

static const setting *setting_named(const char *name)
{
    const setting *s = setting_table;
    while (strcmp(s->name, name) != 0) s++;
    return s;
}

static void set_value(const setting *s, attn_seq_train_options *o, double value)
{
    if (s->kind == SETTING_INTEGER)
        *integer_of(s, o) = (int64_t)value;
    else
        *number_of(s, o) = value;
}

void setting_prefer(attn_seq_train_options *o, const char *name, double value)
{
    const setting *s = setting_named(name);
    if (!was_said(s, o)) set_value(s, o, value);
}

attn_status setting_fix(attn_seq_train_options *o, const char *name, double value)
{
    const setting *s = setting_named(name);
    const bool differs = s->kind == SETTING_INTEGER ? *integer_of(s, o) != (int64_t)value : *number_of(s, o) != value;
    if (!was_said(s, o) || !differs) {
        set_value(s, o, value);
        return ATTN_OK;
    }
    char said[4096], fixed[4096];
    setting_write(s, o, said, sizeof said);
    attn_seq_train_options other = *o;
    set_value(s, &other, value);
    setting_write(s, &other, fixed, sizeof fixed);
    return status_fail(ATTN_ERROR_ARGUMENT, "%s = %s, but the model of %s has %s = %s", s->name, said, o->from, s->name,
                       fixed);
}

attn_status settings_refuse(const attn_seq_train_options *o, const char *const *names, const char *what)
{
    char said[4096];
    for (; *names; names++) {
        const setting *s = setting_named(*names);
        if (!was_said(s, o)) continue;
        setting_write(s, o, said, sizeof said);
        return status_fail(ATTN_ERROR_ARGUMENT, "%s = %s means nothing for %s", s->name, said, what);
    }
    return ATTN_OK;
}

weight_format settings_weight_format(const attn_seq_train_options *o)
{
    static const weight_format formats[] = {
        [ATTN_SEQ_WEIGHTS_FP32] = WEIGHTS_FP32,
        [ATTN_SEQ_WEIGHTS_BF16] = WEIGHTS_BF16,
        [ATTN_SEQ_WEIGHTS_INT8] = WEIGHTS_INT8,
    };
    return formats[o->format];
}

bool settings_say_limit(const attn_seq_train_options *o)
{
    for (int i = 0; i < setting_count; i++) {
        if (setting_table[i].limit && was_said(&setting_table[i], o)) return true;
    }
    return false;
}

static double default_of(const setting *s, const setting_default *defaults)
{
    for (; defaults && defaults->name; defaults++) {
        if (!strcmp(defaults->name, s->name)) return defaults->value;
    }
    return s->standard;
}

static attn_status complete(const setting *s, attn_seq_train_options *o, const setting_default *defaults)
{
    if (s->kind == SETTING_TEXT) return ATTN_OK;
    bool said = was_said(s, o);
    if (!said && s->kind == SETTING_INTEGER) *integer_of(s, o) = (int64_t)default_of(s, defaults);
    if (!said && s->kind == SETTING_NUMBER) *number_of(s, o) = default_of(s, defaults);
    double value = s->kind == SETTING_INTEGER ? (double)*integer_of(s, o) : *number_of(s, o);
    if (value < s->least || value > s->most)
        return status_fail(ATTN_ERROR_ARGUMENT, "%s = %g, expected %g to %g", s->name, value, s->least, s->most);
    return ATTN_OK;
}

attn_status settings_complete(attn_seq_train_options *o, const setting_default *defaults, const char *learns_from)
{
    if (o->epochs < 0 && (o->steps > 0 || o->minutes > 0)) o->epochs = 0;
    for (int i = 0; i < setting_count; i++) {
        attn_status status = complete(&setting_table[i], o, defaults);
        if (status != ATTN_OK) return status;
    }
    if (!o->train) return status_fail(ATTN_ERROR_ARGUMENT, "train is NULL, expected %s", learns_from);
    if (o->arch == ATTN_SEQ_ARCH_TRANSFORMER && o->width % o->heads != 0)
        return status_fail(ATTN_ERROR_ARGUMENT, "width = %lld is no multiple of heads = %lld", (long long)o->width,
                           (long long)o->heads);
    if (o->key_value_heads && o->heads % o->key_value_heads != 0)
        return status_fail(ATTN_ERROR_ARGUMENT, "heads = %lld is no multiple of key_value_heads = %lld",
                           (long long)o->heads, (long long)o->key_value_heads);
    if (o->width % 2 != 0 && !o->from) /* a model that is there has what width it has */
        return status_fail(ATTN_ERROR_ARGUMENT, "width = %lld, expected an even number", (long long)o->width);
    if (o->format == ATTN_SEQ_WEIGHTS_INT8 && o->arch == ATTN_SEQ_ARCH_TRANSFORMER)
        return status_fail(ATTN_ERROR_ARGUMENT,
                           "format = %lld, of recurrent networks alone: transformers, which opens a Transformer's "
                           "directory, reads fp32 and bf16",
                           (long long)o->format);
    if (o->epochs == 0 && o->steps == 0 && o->minutes == 0)
        return status_fail(ATTN_ERROR_ARGUMENT,
                           "epochs = 0, as are steps and minutes, so that training would never end");
    return ATTN_OK;
}

void attn_seq_train_options_init(attn_seq_train_options *options)
{
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    for (int i = 0; i < setting_count; i++) {
        const setting *s = &setting_table[i];
        if (s->kind == SETTING_INTEGER) *integer_of(s, options) = -1;
        if (s->kind == SETTING_NUMBER) *number_of(s, options) = NAN;
    }
}
