#include "input/loaded_examples.h"

#include "base/fnv.h"
#include "base/plural.h"
#include "base/status.h"
#include "formats/wav.h"
#include "input/spectrogram.h"

#include <stdlib.h>
#include <string.h>

static attn_status begin(loaded_examples *out, const example_list *l)
{
    *out = (loaded_examples){.kind = l->kind, .count = l->count};
    out->label = malloc(((size_t)l->count + 1) * sizeof *out->label);
    out->start = l->kind == EXAMPLES_IMAGE ? NULL : calloc((size_t)l->count + 1, sizeof *out->start);
    if (!out->label || (!out->start && l->kind != EXAMPLES_IMAGE))
        return status_fail(ATTN_ERROR_MEMORY, "out of memory for %lld examples", (long long)l->count);
    memcpy(out->label, l->label, (size_t)l->count * sizeof *out->label);
    return ATTN_OK;
}

/* Room for `count` elements of `size` bytes beside those that are there; grows by doubling. */
static attn_status reserve(void **memory, int64_t *capacity, int64_t used, int64_t count, size_t size)
{
    if (used + count <= *capacity) return ATTN_OK;
    int64_t grown = 2 * *capacity > used + count ? 2 * *capacity : used + count + 4096;
    void *m = realloc(*memory, (size_t)grown * size);
    if (!m) return status_fail(ATTN_ERROR_MEMORY, "out of memory for %lld values of examples", (long long)grown);
    *memory = m;
    *capacity = grown;
    return ATTN_OK;
}

static attn_status append_text(loaded_examples *out, int64_t i, int64_t *capacity, const char *text, const tokenizer *k,
                               int64_t longest)
{
    int32_t *ids = NULL;
    int64_t count = 0;
    const int64_t at = out->start[i];
    attn_status s = tokenizer_encode(k, TOKENIZER_SOURCE, text, strlen(text), &ids, &count);
    if (s == ATTN_OK && count > longest) {
        count = tokenizer_shorten(k, ids, count, longest);
        out->too_long++;
    }
    if (s == ATTN_OK) s = reserve((void **)&out->ids, capacity, at, count, sizeof *ids);
    if (s == ATTN_OK) memcpy(out->ids + at, ids, (size_t)count * sizeof *ids);
    out->start[i + 1] = at + count;
    free(ids);
    return s;
}

attn_status loaded_examples_text(loaded_examples *out, const example_list *l, const tokenizer *k, int64_t longest)
{
    attn_status s = begin(out, l);
    int64_t capacity = 0;
    for (int64_t i = 0; s == ATTN_OK && i < l->count; i++)
        s = append_text(out, i, &capacity, l->content[i], k, longest);
    return s;
}

static attn_status append_samples(loaded_examples *out, int64_t i, int64_t *capacity, const sound *sound)
{
    const int64_t at = out->start[i];
    attn_status s = reserve((void **)&out->samples, capacity, at, sound->count, sizeof *out->samples);
    if (s == ATTN_OK) memcpy(out->samples + at, sound->samples, (size_t)sound->count * sizeof *out->samples);
    out->start[i + 1] = at + sound->count;
    return s;
}

static attn_status append_audio(loaded_examples *out, int64_t i, int64_t *capacity, const char *path)
{
    sound sound;
    attn_status s = wav_read(&sound, path);
    if (s != ATTN_OK) return s;
    if (out->rate == 0) out->rate = sound.rate;
    if (sound.rate != out->rate)
        s = status_fail(ATTN_ERROR_FORMAT, "%s: %lld sample%s a second, expected %lld", path, (long long)sound.rate,
                        plural(sound.rate), (long long)out->rate);
    if (s == ATTN_OK && spectrogram_frames(sound.count) == 0)
        s = status_fail(ATTN_ERROR_FORMAT, "%s: %lld sample%s, expected at least %d", path, (long long)sound.count,
                        plural(sound.count), SPECTROGRAM_WINDOW);
    if (s == ATTN_OK) s = append_samples(out, i, capacity, &sound);
    sound_clear(&sound);
    return s;
}

attn_status loaded_examples_audio(loaded_examples *out, const example_list *l, int64_t rate)
{
    attn_status s = begin(out, l);
    out->rate = rate;
    int64_t capacity = 0;
    for (int64_t i = 0; s == ATTN_OK && i < l->count; i++) s = append_audio(out, i, &capacity, l->content[i]);
    return s;
}

/* Into memory of its own, as it may become more. */
static attn_status resample_into(loaded_examples *out, const loaded_examples *e, int64_t rate)
{
    int64_t capacity = 0;
    for (int64_t i = 0; i < e->count; i++) {
        const sound from = {e->rate, loaded_examples_length(e, i), e->samples + e->start[i]};
        sound to = {0};
        attn_status s = sound_resample(&to, "recording", &from, rate);
        if (s == ATTN_OK) s = append_samples(out, i, &capacity, &to);
        sound_clear(&to);
        if (s != ATTN_OK) return s;
    }
    return ATTN_OK;
}

attn_status loaded_examples_resample(loaded_examples *e, int64_t rate)
{
    if (e->rate == rate || e->count == 0) return ATTN_OK;
    loaded_examples made = {.start = calloc((size_t)e->count + 1, sizeof *made.start)};
    attn_status s = made.start
                        ? resample_into(&made, e, rate)
                        : status_fail(ATTN_ERROR_MEMORY, "out of memory for %lld recordings", (long long)e->count);
    if (s != ATTN_OK) {
        loaded_examples_clear(&made);
        return s;
    }
    free(e->start);
    free(e->samples);
    e->start = made.start;
    e->samples = made.samples;
    e->rate = rate;
    return ATTN_OK;
}

uint64_t loaded_examples_fingerprint(const loaded_examples *e)
{
    const size_t n = (size_t)e->count;
    uint64_t h = fnv_hash(FNV_EMPTY, e->label, n * sizeof *e->label);
    if (e->start) h = fnv_hash(h, e->start, (n + 1) * sizeof *e->start);
    if (e->ids) h = fnv_hash(h, e->ids, (size_t)e->start[n] * sizeof *e->ids);
    if (e->samples) h = fnv_hash(h, e->samples, (size_t)e->start[n] * sizeof *e->samples);
    if (e->pixels) h = fnv_hash(h, e->pixels, n * (size_t)(e->side * e->side * e->channels));
    return h;
}

void loaded_examples_clear(loaded_examples *e)
{
    free(e->label);
    free(e->start);
    free(e->ids);
    free(e->samples);
    free(e->pixels);
    *e = (loaded_examples){0};
}
