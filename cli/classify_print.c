#include "classify_print.h"

#include "json.h"
#include "message.h"

#include <inttypes.h>

static void print_scores(const classify_form *form, const float *probabilities)
{
    for (int64_t i = 0; i < form->label_count; i++) {
        putchar('\t');
        message_print_text(stdout, form->labels[i]);
        printf(":%.4f", (double)probabilities[i]);
    }
}

/* A tab or a line break in a file's name, or in a label of somebody else's model, is a ? here, so that columns stay
 * columns; JSON has it as it is. */
static void print_words(const classify_form *form, const classify_item *item, const attn_seq_classification *c)
{
    if (item->name && !item->blank && item->input.kind != ATTN_SEQ_INPUT_TEXT) {
        message_print_text(stdout, item->name);
        putchar('\t');
    }
    if (c && c->label >= 0) {
        message_print_text(stdout, form->labels[c->label]);
        if (form->scores) print_scores(form, c->probabilities);
    }
    putchar('\n');
}

static void print_json(const classify_form *form, const classify_item *item, const attn_seq_classification *c)
{
    putchar('{');
    if (item->name) {
        fputs(item->input.kind == ATTN_SEQ_INPUT_TEXT ? "\"text\": " : "\"path\": ", stdout);
        json_string(stdout, item->name);
        fputs(", ", stdout);
    }
    fputs("\"label\": ", stdout);
    if (!c || c->label < 0) {
        fputs("null}\n", stdout);
        return;
    }
    json_string(stdout, form->labels[c->label]);
    fputs(", \"scores\": {", stdout);
    for (int64_t i = 0; i < form->label_count; i++) {
        if (i) fputs(", ", stdout);
        json_string(stdout, form->labels[i]);
        fputs(": ", stdout);
        json_number(stdout, (double)c->probabilities[i]);
    }
    fputs("}}\n", stdout);
}

void classify_print(const classify_form *form, const classify_item *item, const attn_seq_classification *c)
{
    if (!item->name && item->problem) return; /* none of its lines is known */
    if (form->json)
        print_json(form, item, c);
    else
        print_words(form, item, c);
}
