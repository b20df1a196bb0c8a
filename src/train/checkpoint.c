#include "train/checkpoint.h"

#include "base/plural.h"
#include "base/status.h"
#include "formats/decimal.h"
#include "train/settings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATE_ENTRIES = 8, MOST_SETTINGS = 64, VALUE_BYTES = 4096 };

attn_status checkpoint_path(const char *directory, char *path, size_t size)
{
    int length = snprintf(path, size, "%s/checkpoint.safetensors", directory);
    if (length < 0 || (size_t)length >= size)
        return status_fail(ATTN_ERROR_ARGUMENT, "%.60s...: the path is too long", directory);
    return ATTN_OK;
}

/* Names and strings that go into the file's metadata. */
typedef struct written_metadata {
    const char *pairs[MOST_SETTINGS + STATE_ENTRIES][2];
    char text[MOST_SETTINGS + STATE_ENTRIES][VALUE_BYTES];
    int64_t count;
} written_metadata;

static char *add(written_metadata *m, const char *name)
{
    char *text = m->text[m->count];
    m->pairs[m->count][0] = name;
    m->pairs[m->count++][1] = text;
    return text;
}

static void write_metadata(written_metadata *m, const train_state *s, const attn_seq_train_options *o, const char *kind,
                           uint64_t fingerprint)
{
    snprintf(add(m, "state.kind"), VALUE_BYTES, "%s", kind);
    snprintf(add(m, "state.step"), VALUE_BYTES, "%lld", (long long)s->step);
    decimal_write(add(m, "state.seconds"), VALUE_BYTES, s->seconds);
    decimal_write(add(m, "state.best"), VALUE_BYTES, s->best);
    decimal_write(add(m, "state.start"), VALUE_BYTES, s->start);
    snprintf(add(m, "state.validated"), VALUE_BYTES, "%lld", (long long)s->validated);
    snprintf(add(m, "state.stale"), VALUE_BYTES, "%lld", (long long)s->stale);
    snprintf(add(m, "state.pairs"), VALUE_BYTES, "%016llx", (unsigned long long)fingerprint);
    for (int i = 0; i < setting_count; i++)
        setting_write(&setting_table[i], o, add(m, setting_table[i].name), VALUE_BYTES);
}

static int64_t list_arrays(const train_state *s, safetensors_entry entries[4])
{
    const safetensors_entry all[4] = {
        {"weights", SAFETENSORS_F32, 1, &s->total, s->parameters->values},
        {"first_moment", SAFETENSORS_F32, 1, &s->total, s->adam.first},
        {"second_moment", SAFETENSORS_F32, 1, &s->total, s->adam.second},
        {"average", SAFETENSORS_F32, 1, &s->total, s->average},
    };
    memcpy(entries, all, sizeof all);
    return s->average ? 4 : 3;
}

attn_status checkpoint_save(const train_state *s, const attn_seq_train_options *o, const char *kind,
                            uint64_t fingerprint)
{
    char path[4096];
    attn_status status = checkpoint_path(o->model, path, sizeof path);
    if (status != ATTN_OK) return status;
    written_metadata *m = calloc(1, sizeof *m);
    if (!m) return status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", path);
    safetensors_entry entries[4];
    int64_t count = list_arrays(s, entries);
    write_metadata(m, s, o, kind, fingerprint);
    status = safetensors_write(path, entries, count, m->pairs, m->count);
    free(m);
    return status;
}

static attn_status check_kind(const checkpoint *c, const char *kind)
{
    const char *found = safetensors_metadata(c->file, "state.kind");
    if (!found) return status_fail(ATTN_ERROR_FORMAT, "%s: state.kind is missing", c->path);
    if (!strcmp(found, kind)) return ATTN_OK;
    return status_fail(ATTN_ERROR_ARGUMENT, "%s: its run was begun with attn train %.40s, not %s", c->path, found,
                       kind);
}

attn_status checkpoint_open(checkpoint *out, const char *directory, const char *kind)
{
    memset(out, 0, sizeof *out);
    attn_status s = checkpoint_path(directory, out->path, sizeof out->path);
    if (s == ATTN_OK) s = safetensors_open(&out->file, out->path);
    return s == ATTN_OK ? check_kind(out, kind) : s;
}

void checkpoint_clear(checkpoint *c)
{
    if (c->file) safetensors_close(c->file);
    for (int i = 0; i < c->text_count; i++) free(c->texts[i]);
    memset(c, 0, sizeof *c);
}

attn_status checkpoint_adopt(checkpoint *c, attn_seq_train_options *o)
{
    bool limited = settings_say_limit(o);
    for (int i = 0; i < setting_count; i++) {
        const setting *s = &setting_table[i];
        if (s->limit && limited) continue; /* a new end replaces the old one */
        char *owned = NULL;
        attn_status status = setting_adopt(s, o, safetensors_metadata(c->file, s->name), c->path, &owned);
        if (owned) c->texts[c->text_count++] = owned;
        if (status != ATTN_OK) return status;
    }
    return ATTN_OK;
}

static attn_status read_number(const checkpoint *c, const char *name, double least, double *value)
{
    const char *text = safetensors_metadata(c->file, name);
    char *end = NULL;
    if (text) *value = decimal_read(text, &end);
    if (!text || end == text || *end || !(*value >= least))
        return status_fail(ATTN_ERROR_FORMAT, "%s: %s is \"%.40s\", expected a number", c->path, name,
                           text ? text : "");
    return ATTN_OK;
}

/* Far beyond any run, and exact in a double. */
#define MOST_STEPS 1e15

static attn_status read_count(const checkpoint *c, const char *name, int64_t *value)
{
    double number = 0;
    attn_status s = read_number(c, name, 0, &number);
    if (s != ATTN_OK) return s;
    if (number > MOST_STEPS)
        return status_fail(ATTN_ERROR_FORMAT, "%s: %s is %g, expected at most %g", c->path, name, number, MOST_STEPS);
    *value = (int64_t)number;
    return ATTN_OK;
}

static attn_status read_array(const checkpoint *c, const char *name, int64_t total, float *values)
{
    const safetensors_tensor *t = safetensors_find(c->file, name);
    const int64_t held = t ? t->count : 0;
    if (!t || t->type != SAFETENSORS_F32 || held != total)
        return status_fail(ATTN_ERROR_FORMAT, "%s: %s holds %lld value%s, expected %lld in fp32", c->path, name,
                           (long long)held, plural(held), (long long)total);
    return safetensors_read_floats(c->file, t, values);
}

static attn_status check_data(const checkpoint *c, uint64_t fingerprint)
{
    char expected[32];
    snprintf(expected, sizeof expected, "%016llx", (unsigned long long)fingerprint);
    const char *found = safetensors_metadata(c->file, "state.pairs");
    if (!found || strcmp(found, expected) != 0)
        return status_fail(ATTN_ERROR_ARGUMENT, "%s: its run learnt from other training pairs than those given now",
                           c->path);
    return ATTN_OK;
}

attn_status checkpoint_restore(const checkpoint *c, train_state *s, uint64_t fingerprint)
{
    attn_status status = check_data(c, fingerprint);
    if (status == ATTN_OK) status = read_count(c, "state.step", &s->step);
    if (status == ATTN_OK) status = read_count(c, "state.validated", &s->validated);
    if (status == ATTN_OK) status = read_count(c, "state.stale", &s->stale);
    if (status == ATTN_OK) status = read_number(c, "state.seconds", 0, &s->seconds);
    if (status == ATTN_OK) status = read_number(c, "state.best", -INFINITY, &s->best);
    if (status == ATTN_OK && safetensors_metadata(c->file, "state.start")) /* runs of before did not ask */
        status = read_number(c, "state.start", -INFINITY, &s->start);
    if (status == ATTN_OK) status = read_array(c, "weights", s->total, s->parameters->values);
    if (status == ATTN_OK) status = read_array(c, "first_moment", s->total, s->adam.first);
    if (status == ATTN_OK) status = read_array(c, "second_moment", s->total, s->adam.second);
    if (status == ATTN_OK && s->average) status = read_array(c, "average", s->total, s->average);
    s->adam.step = s->step;
    return status;
}
