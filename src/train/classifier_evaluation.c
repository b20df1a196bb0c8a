/* attn_seq_classifier_evaluate: labelled examples through attn_seq_classify, and how many come out right. */
#include "base/status.h"
#include "base/utf8.h"
#include "input/examples.h"
#include "model/seq_model.h"
#include "output/class_scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Files that are open in memory together. */
#define EXAMPLES_AT_ONCE 512

typedef struct evaluating {
    const attn_seq_model *model;
    attn_seq_classify_options how;
    example_list examples;
    attn_seq_input *inputs; /* EXAMPLES_AT_ONCE */
    attn_seq_input **read;  /* those that were read from a file, to be freed */
    class_count *counts;    /* of the labels */
    attn_seq_evaluation *result;
} evaluating;

static attn_status check(const attn_seq_model *model, const char *path, const attn_seq_evaluation *result)
{
    if (!model || !path || !result) return status_fail(ATTN_ERROR_ARGUMENT, "model, path or evaluation is NULL");
    if (result->struct_size != sizeof *result)
        return status_fail(ATTN_ERROR_ARGUMENT, "evaluation->struct_size = %zu, expected %zu", result->struct_size,
                           sizeof *result);
    if (model->classifier) return ATTN_OK;
    return status_fail(ATTN_ERROR_UNSUPPORTED, "%s: a model that %s, expected one that classifies", model->directory,
                       architecture_task_words(model->architecture->task));
}

static attn_status read_examples(evaluating *e, const char *path, const char *labels_path)
{
    const classifier_config *c = &e->model->classifier->config;
    const example_kind kind = (example_kind)(e->model->architecture->task - ATTN_SEQ_TASK_CLASSIFY_TEXT);
    attn_status s = example_list_read(&e->examples, path, labels_path, kind);
    if (s != ATTN_OK) return s;
    if (labels_path && !e->examples.pixels)
        return status_fail(ATTN_ERROR_ARGUMENT, "%s: no IDX file, so that its labels cannot stand in %s", path,
                           labels_path);
    if (e->examples.invalid > 0) /* a score that leaves some out would not be the test set's */
        return status_fail(ATTN_ERROR_FORMAT, "%s: invalid UTF-8 or a NUL byte", e->examples.first_invalid);
    return example_list_relabel(&e->examples, c->labels, c->label_count, path, "the model");
}

/* Example i as an input; *read receives what has to be freed. */
static attn_status make_input(const example_list *l, int64_t i, attn_seq_input *input, attn_seq_input **read)
{
    if (l->kind == EXAMPLES_TEXT) {
        *input = (attn_seq_input){.kind = ATTN_SEQ_INPUT_TEXT, .text = {l->content[i], strlen(l->content[i])}};
        return ATTN_OK;
    }
    if (l->pixels) {
        const uint8_t *pixels = l->pixels + i * l->width * l->height;
        *input = (attn_seq_input){.kind = ATTN_SEQ_INPUT_IMAGE, .image = {l->width, l->height, 1, pixels}};
        return ATTN_OK;
    }
    int64_t count = 0;
    attn_status s = attn_seq_inputs_read(l->content[i], read, &count);
    if (s == ATTN_OK && count != 1)
        s = status_fail(ATTN_ERROR_FORMAT, "%s: %lld inputs, expected one", l->content[i], (long long)count);
    if (s == ATTN_OK) *input = **read;
    return s;
}

static attn_status count_answers(evaluating *e, int64_t at, int64_t count, const attn_seq_classification *found)
{
    const int64_t labels = e->result->label_count;
    for (int64_t i = 0; i < count; i++) {
        const int64_t expected = e->examples.label[at + i];
        const char *name = e->examples.content[at + i] ? e->examples.content[at + i] : "an image";
        if (found[i].label < 0)
            return status_fail(ATTN_ERROR_FORMAT, "example %lld, %.*s: %s", (long long)(at + i + 1),
                               (int)utf8_shown(name, 60), name,
                               found[i].message[0] ? found[i].message : "nothing in it");
        e->result->confusion[expected * labels + found[i].label]++;
        class_count_answer(e->counts, expected, found[i].label);
        e->result->loss -= log(fmax((double)found[i].probabilities[expected], 1e-45));
    }
    return ATTN_OK;
}

static attn_status evaluate_some(evaluating *e, int64_t at, int64_t count)
{
    attn_seq_classification *found = NULL;
    attn_status s = ATTN_OK;
    for (int64_t i = 0; i < count && s == ATTN_OK; i++)
        s = make_input(&e->examples, at + i, &e->inputs[i], &e->read[i]);
    if (s == ATTN_OK) s = attn_seq_classify(e->model, &e->how, e->inputs, count, &found);
    if (s == ATTN_OK) s = count_answers(e, at, count, found);
    attn_seq_classifications_free(found, count);
    for (int64_t i = 0; i < count; i++) {
        attn_seq_inputs_free(e->read[i]);
        e->read[i] = NULL;
    }
    return s;
}

static attn_status evaluate(evaluating *e)
{
    attn_seq_evaluation *r = e->result;
    r->count = e->examples.count;
    r->label_count = e->model->classifier->config.label_count;
    r->confusion = calloc((size_t)(r->label_count * r->label_count), sizeof *r->confusion);
    e->inputs = calloc(EXAMPLES_AT_ONCE, sizeof *e->inputs);
    e->read = calloc(EXAMPLES_AT_ONCE, sizeof *e->read);
    e->counts = calloc((size_t)r->label_count, sizeof *e->counts);
    if (!r->confusion || !e->inputs || !e->read || !e->counts)
        return status_fail(ATTN_ERROR_MEMORY, "out of memory to evaluate %lld examples", (long long)r->count);
    for (int64_t at = 0; at < r->count; at += EXAMPLES_AT_ONCE) {
        const int64_t left = r->count - at;
        attn_status s = evaluate_some(e, at, left < EXAMPLES_AT_ONCE ? left : EXAMPLES_AT_ONCE);
        if (s != ATTN_OK) return s;
    }
    const class_scores scores = class_scores_of(e->counts, r->label_count);
    r->accuracy = scores.accuracy;
    r->macro_f1 = scores.macro_f1;
    r->loss /= (double)r->count;
    return ATTN_OK;
}

attn_status attn_seq_classifier_evaluate(const attn_seq_model *model, const char *path, const char *labels_path,
                                         int threads, attn_seq_evaluation *evaluation)
{
    attn_status s = check(model, path, evaluation);
    if (s != ATTN_OK) return s;
    *evaluation = (attn_seq_evaluation){.struct_size = sizeof *evaluation};
    evaluating e = {.model = model, .result = evaluation};
    attn_seq_classify_options_init(&e.how);
    e.how.threads = threads;
    s = read_examples(&e, path, labels_path);
    if (s == ATTN_OK) s = evaluate(&e);
    if (s != ATTN_OK) attn_seq_evaluation_clear(evaluation);
    example_list_clear(&e.examples);
    free(e.inputs);
    free(e.read);
    free(e.counts);
    return s;
}

void attn_seq_evaluation_clear(attn_seq_evaluation *evaluation)
{
    if (!evaluation) return;
    free(evaluation->confusion);
    *evaluation = (attn_seq_evaluation){.struct_size = sizeof *evaluation};
}
