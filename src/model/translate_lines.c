/* attn_seq_translate, attn_seq_summarize: lines to pieces, pieces through the search, hypotheses back to lines. */
#include "attn/seq.h"

#include "base/parallel.h"
#include "base/status.h"
#include "model/decode_sentences.h"
#include "model/task_outcome.h"
#include "model/translated_line.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct translating {
    const attn_seq_model *model;
    attn_seq_translate_options options; /* complete */
    const attn_seq_text *lines;
    int64_t count;
    int threads;
    line_work *work;        /* of each line */
    task_outcome *outcomes; /* of each line, for what is no fault of the line */
    token_list *sentences;  /* all parts of all lines */
    hypothesis *hypotheses; /* (sentences, n_best) */
    int64_t sentence_count;
    attn_seq_translation *translations;
    tape **tapes; /* one for each worker */
} translating;

void attn_seq_translate_options_init(attn_seq_translate_options *options)
{
    if (!options) return;
    *options = (attn_seq_translate_options){.struct_size = sizeof *options, .n_best = 1, .normalize = (double)NAN};
}

/* What the caller did not say, the model's directory does. */
static attn_seq_translate_options complete(const attn_seq_model *model, const attn_seq_translate_options *options)
{
    attn_seq_translate_options o = *options;
    const generation_settings *g = &model->seq2seq.generation;
    if (o.beam == 0) o.beam = g->beam > o.n_best ? g->beam : o.n_best;
    if (isnan(o.normalize)) o.normalize = g->length_penalty;
    return o;
}

static attn_status check(const attn_seq_model *model, const attn_seq_translate_options *o, const attn_seq_text *lines,
                         int64_t count, attn_seq_translation **translations)
{
    if (!model || !o || !translations || (count && !lines))
        return status_fail(ATTN_ERROR_ARGUMENT, "model, options, lines or translations is NULL");
    if (o->struct_size != sizeof *o)
        return status_fail(ATTN_ERROR_ARGUMENT, "options->struct_size = %zu, expected %zu", o->struct_size, sizeof *o);
    if (count < 0) return status_fail(ATTN_ERROR_ARGUMENT, "count = %lld, expected at least 0", (long long)count);
    if (o->beam < 0 || o->beam > SEARCH_MAX_BEAM)
        return status_fail(ATTN_ERROR_ARGUMENT, "beam = %lld, expected 0 to %d", (long long)o->beam, SEARCH_MAX_BEAM);
    int64_t most = o->beam ? o->beam : SEARCH_MAX_BEAM;
    if (o->n_best < 1 || o->n_best > most)
        return status_fail(ATTN_ERROR_ARGUMENT, "n_best = %lld, expected 1 to the beam, %lld", (long long)o->n_best,
                           (long long)most);
    if (isinf((float)o->normalize))
        return status_fail(ATTN_ERROR_ARGUMENT, "normalize = %g, expected a finite number, or NaN", o->normalize);
    if (o->threads < 0 || o->threads > PARALLEL_MAX_THREADS)
        return status_fail(ATTN_ERROR_ARGUMENT, "threads = %d, expected 0 to %d", o->threads, PARALLEL_MAX_THREADS);
    return ATTN_OK;
}

static void cut_line(void *argument, int64_t i, int worker)
{
    (void)worker;
    translating *w = argument;
    line_work *line = &w->work[i];
    const bool whole = w->model->architecture->task == ATTN_SEQ_TASK_TRANSLATE;
    attn_status status =
        (whole ? line_parts_cut : line_parts_truncate)(&line->parts, w->model->tokenizer, w->lines[i].bytes,
                                                       w->lines[i].length, w->model->seq2seq.sizes.max_positions);
    if (status == ATTN_ERROR_FORMAT) {
        line->status = status;
        snprintf(line->message, sizeof line->message, "%s", status_message());
        line_parts_clear(&line->parts);
        status = ATTN_OK;
    }
    task_outcome_set(&w->outcomes[i], status);
}

static attn_status cut_lines(translating *w)
{
    parallel_for(w->threads, w->count, cut_line, w);
    attn_status status = task_outcomes_first(w->outcomes, w->count);
    if (status) return status;
    for (int64_t i = 0; i < w->count; i++) w->sentence_count += w->work[i].parts.count;
    w->sentences = calloc((size_t)w->sentence_count + 1, sizeof *w->sentences);
    w->hypotheses = calloc((size_t)(w->sentence_count * w->options.n_best) + 1, sizeof *w->hypotheses);
    if (!w->sentences || !w->hypotheses)
        return status_fail(ATTN_ERROR_MEMORY, "no memory for %lld sentences", (long long)w->sentence_count);
    int64_t at = 0;
    for (int64_t i = 0; i < w->count; i++) {
        line_work *line = &w->work[i];
        line->hypotheses = w->hypotheses + at * w->options.n_best;
        for (int64_t p = 0; p < line->parts.count; p++)
            w->sentences[at++] = (token_list){line->parts.items[p].ids, line->parts.items[p].length};
    }
    return ATTN_OK;
}

static void make_line(void *argument, int64_t i, int worker)
{
    translating *w = argument;
    attn_status status =
        translated_line_make(&w->translations[i], w->model, &w->options, &w->work[i], w->tapes[worker]);
    task_outcome_set(&w->outcomes[i], status);
}

static attn_status make_lines(translating *w)
{
    w->translations = calloc((size_t)w->count, sizeof *w->translations);
    w->tapes = calloc((size_t)w->threads, sizeof(tape *));
    if (!w->translations || !w->tapes)
        return status_fail(ATTN_ERROR_MEMORY, "no memory for %lld translations", (long long)w->count);
    bool looking = w->options.alignment || w->options.attention;
    attn_status status = ATTN_OK;
    for (int i = 0; i < w->threads && looking && !status; i++) status = tape_create(&w->tapes[i], TAPE_INFER, 1);
    if (!status) {
        parallel_for(w->threads, w->count, make_line, w);
        status = task_outcomes_first(w->outcomes, w->count);
    }
    for (int i = 0; i < w->threads && looking; i++) tape_destroy(w->tapes[i]);
    return status;
}

static attn_status translate(translating *w)
{
    w->work = calloc((size_t)w->count, sizeof *w->work);
    w->outcomes = calloc((size_t)w->count, sizeof *w->outcomes);
    if (!w->work || !w->outcomes)
        return status_fail(ATTN_ERROR_MEMORY, "no memory for %lld lines", (long long)w->count);
    attn_status status = cut_lines(w);
    if (status) return status;
    search_options search = {w->options.beam, w->options.n_best, (float)w->options.normalize, w->threads};
    status = decode_sentences(&w->model->seq2seq, &search, w->sentences, w->sentence_count, w->hypotheses);
    return status ? status : make_lines(w);
}

static attn_status run(const attn_seq_model *model, attn_seq_task task, const attn_seq_translate_options *options,
                       const attn_seq_text *lines, int64_t count, attn_seq_translation **translations)
{
    if (translations) *translations = NULL;
    attn_status status = check(model, options, lines, count, translations);
    if (!status) status = seq_model_expect(model, task);
    if (status || count == 0) return status;
    translating w = {.model = model, .options = complete(model, options), .lines = lines, .count = count};
    w.threads = options->threads ? options->threads : parallel_default_threads();
    status = translate(&w);
    if (status)
        attn_seq_translations_free(w.translations, count);
    else
        *translations = w.translations;
    if (w.hypotheses) hypotheses_clear(w.hypotheses, w.sentence_count * w.options.n_best);
    for (int64_t i = 0; i < count && w.work; i++) line_parts_clear(&w.work[i].parts);
    free(w.work);
    free(w.outcomes);
    free(w.sentences);
    free(w.hypotheses);
    free(w.tapes);
    return status;
}

attn_status attn_seq_translate(const attn_seq_model *model, const attn_seq_translate_options *options,
                               const attn_seq_text *lines, int64_t count, attn_seq_translation **translations)
{
    return run(model, ATTN_SEQ_TASK_TRANSLATE, options, lines, count, translations);
}

attn_status attn_seq_summarize(const attn_seq_model *model, const attn_seq_translate_options *options,
                               const attn_seq_text *lines, int64_t count, attn_seq_translation **summaries)
{
    return run(model, ATTN_SEQ_TASK_SUMMARIZE, options, lines, count, summaries);
}

void attn_seq_translations_free(attn_seq_translation *translations, int64_t count)
{
    for (int64_t i = 0; i < count && translations; i++) translated_line_clear(&translations[i]);
    free(translations);
}
