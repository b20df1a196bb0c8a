#define _GNU_SOURCE /* asprintf */
#include "model/architecture.h"

#include "base/status.h"
#include "formats/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* By model_type; the first row of one is what is meant where nothing else is said. */
static const architecture table[] = {
    {"marian", "MarianMTModel", ARCHITECTURE_MARIAN, ATTN_SEQ_TASK_TRANSLATE},
    {"bert", "BertForSequenceClassification", ARCHITECTURE_CLASSIFIER, ATTN_SEQ_TASK_CLASSIFY_TEXT},
    {"vit", "ViTForImageClassification", ARCHITECTURE_CLASSIFIER, ATTN_SEQ_TASK_CLASSIFY_IMAGE},
    {"audio-spectrogram-transformer", "ASTForAudioClassification", ARCHITECTURE_CLASSIFIER,
     ATTN_SEQ_TASK_CLASSIFY_AUDIO},
    {"bart", "BartForConditionalGeneration", ARCHITECTURE_BART, ATTN_SEQ_TASK_SUMMARIZE},
    {"attn-transformer", "TransformerTranslator", ARCHITECTURE_TRANSFORMER, ATTN_SEQ_TASK_TRANSLATE},
    {"attn-rnn", "RecurrentTranslator", ARCHITECTURE_RECURRENT, ATTN_SEQ_TASK_TRANSLATE},
    {"attn-rnn", "RecurrentForSequenceClassification", ARCHITECTURE_CLASSIFIER, ATTN_SEQ_TASK_CLASSIFY_TEXT},
};
static const size_t table_length = sizeof table / sizeof *table;

/* "one of marian, bert", each name once; those of one model_type alone where it is not NULL. */
static void list(char *text, size_t size, const char *model_type)
{
    size_t used = (size_t)snprintf(text, size, "one of");
    const char *last = "";
    for (size_t i = 0; i < table_length && used < size; i++) {
        if (model_type && strcmp(table[i].model_type, model_type) != 0) continue;
        const char *name = model_type ? table[i].name : table[i].model_type;
        if (!strcmp(name, last)) continue;
        used += (size_t)snprintf(text + used, size - used, "%s %s", *last ? "," : "", name);
        last = name;
    }
}

static const architecture *find(config *f, const char *model_type)
{
    const architecture *first = NULL;
    bool told = config_has(f, "architectures");
    for (size_t i = 0; i < table_length; i++) {
        const architecture *a = &table[i];
        if (strcmp(a->model_type, model_type) != 0) continue;
        if (!told || config_lists(f, "architectures", a->name)) return a;
        if (!first) first = a;
    }
    char expected[300];
    list(expected, sizeof expected, first ? model_type : NULL);
    config_refuse(f, ATTN_ERROR_UNSUPPORTED, first ? "architectures" : "model_type", expected);
    return NULL;
}

attn_status architecture_read(const architecture **out, const char *directory)
{
    *out = NULL;
    char *path;
    if (asprintf(&path, "%s/config.json", directory) < 0)
        return status_fail(ATTN_ERROR_MEMORY, "%s: no memory to open it", directory);
    config *f = NULL;
    attn_status status = config_open(&f, path);
    free(path);
    if (status != ATTN_OK) return status;
    const char *model_type = config_string(f, "model_type");
    status = config_status(f);
    if (status == ATTN_OK) {
        *out = find(f, model_type);
        status = config_status(f);
    }
    config_destroy(f);
    return status;
}

const char *architecture_task_words(attn_seq_task task)
{
    static const char *const words[] = {"translates", "summarizes", "classifies text", "classifies images",
                                        "classifies audio"};
    return words[task];
}

attn_status architecture_expect(const architecture *a, const char *directory, attn_seq_task task)
{
    if (task == ATTN_SEQ_TASK_ANY || task == a->task) return ATTN_OK;
    return status_fail(ATTN_ERROR_UNSUPPORTED, "%s: a model that %s (%s), expected one that %s", directory,
                       architecture_task_words(a->task), a->name, architecture_task_words(task));
}
