#include "classify_item.h"

#include "input_kind.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void classify_item_clear(classify_item *item)
{
    attn_seq_inputs_free(item->read);
    free(item->name);
    free(item->problem);
    free(item->place);
    *item = (classify_item){0};
}

const char *classify_item_words(const char *place)
{
    const char *words = attn_seq_error();
    const size_t length = strlen(place);
    return strncmp(words, place, length) == 0 && strncmp(words + length, ": ", 2) == 0 ? words + length + 2 : words;
}

bool classify_item_refuse(classify_item *item, const char *path, const char *why)
{
    if (item->input.kind != ATTN_SEQ_INPUT_TEXT && !(item->name = strdup(path))) return false;
    item->place = strdup(path);
    item->problem = strdup(why);
    return item->place && item->problem;
}

bool classify_item_read(classify_item *item)
{
    const attn_seq_input_kind kind = item->input.kind;
    int64_t count = 0;
    if (attn_seq_inputs_read(item->name, &item->read, &count))
        return (item->problem = strdup(classify_item_words(item->place)));
    if (count == 1 && item->read->kind == kind) {
        item->input = *item->read;
        return true;
    }
    char why[160];
    if (count == 1)
        input_kind_mismatch(item->read->kind, kind, why, sizeof why);
    else
        snprintf(why, sizeof why, "an IDX file of %" PRId64 " images, expected one %s", count,
                 kind == ATTN_SEQ_INPUT_IMAGE ? "image" : "recording");
    if (strcmp(item->name, item->place) == 0) return (item->problem = strdup(why));
    return asprintf(&item->problem, "%s: %s", item->name, why) >= 0;
}

bool classify_item_of_file(classify_item *item, const char *path)
{
    item->name = strdup(path);
    item->place = strdup(path);
    return item->name && item->place && classify_item_read(item);
}
