#include "attention_options.h"

#include "failure.h"
#include "message.h"

#include <inttypes.h>
#include <string.h>

static bool ends_with(const char *path, const char *ending)
{
    size_t length = strlen(path), tail = strlen(ending);
    return length > tail && !strcmp(path + length - tail, ending);
}

/* One matrix for each input; a page and a JSON file hold all of them. */
static bool shows_one(const char *path)
{
    return !strcmp(path, "-") || ends_with(path, ".png") || ends_with(path, ".npy");
}

/* The first that was given of those that choose what is shown; NULL: none. */
static const char *choice_of(const attention_output *o)
{
    return o->layer ? "layer" : o->head ? "head" : o->rollout ? "rollout" : o->kind >= 0 ? "attention-of" : NULL;
}

int attention_options_refuse(const command_line *line, const attention_output *o)
{
    const char *choice = choice_of(o);
    if (choice && !o->path) return options_refuse(line, "--%s goes with --attention", choice);
    if (o->path && !shows_one(o->path) && !ends_with(o->path, ".html") && !ends_with(o->path, ".json"))
        return options_refuse(
            line, "--attention: \"%s\", expected a name that ends in .png, .html, .json or .npy, or -", o->path);
    if (choice && !shows_one(o->path))
        return options_refuse(line, "--%s goes with --attention to a .png, a .npy or -: %s holds every layer and head",
                              choice, o->path);
    if (o->rollout && o->head)
        return options_refuse(line, "--head and --rollout: a roll-out takes the mean of the heads");
    return -1;
}

typedef struct attending {
    int64_t layers, heads;
    bool to_itself;
} attending;

/* A recurrent network attends once: a classifier to pool, a decoder to what was encoded, if at all. */
static attending attending_of_recurrent(const attn_seq_description *model, int kind)
{
    const attending once = {1, 1, false}, none = {0, 0, false};
    if (model->label_count > 0) return kind < 0 || kind == ATTN_SEQ_ATTENTION_POOLING ? once : none;
    if (!strcmp(model->attention, "none")) return none;
    return kind < 0 || kind == ATTN_SEQ_ATTENTION_CROSS ? once : none;
}

static attending attending_of(const attn_seq_description *model, int kind)
{
    if (model->cell) return attending_of_recurrent(model, kind);
    if (model->label_count > 0 || kind == ATTN_SEQ_ATTENTION_ENCODER)
        return (attending){model->encoder_layers, model->encoder_heads, true};
    return (attending){model->decoder_layers, model->decoder_heads, kind == ATTN_SEQ_ATTENTION_DECODER};
}

int attention_options_check(const attention_output *o, const attn_seq_description *model)
{
    if (!o->path) return 0;
    const attending is = attending_of(model, o->kind);
    if (is.layers == 0 && attending_of(model, -1).layers == 0)
        return failure(o->command, "--attention: the model has no attention");
    if (is.layers == 0) return failure(o->command, "--attention-of: the model has no attention of that kind");
    if (o->rollout && !is.to_itself)
        return failure(o->command, "--rollout: only attention of a sequence to itself can be rolled out%s",
                       model->cell || model->label_count > 0 ? "" : ": --attention-of encoder or decoder");
    const bool layer = o->layer > is.layers;
    if (!layer && o->head <= is.heads) return 0;
    return failure(o->command, "there is no %s %" PRId64 ": the model has %" PRId64 " layer%s of %" PRId64 " head%s",
                   layer ? "layer" : "head", layer ? o->layer : o->head, is.layers, plural(is.layers), is.heads,
                   plural(is.heads));
}
