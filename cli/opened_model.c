#include "opened_model.h"

#include "failure.h"
#include "message.h"

#include <inttypes.h>
#include <stdio.h>

static void tell_of_unused_weights(const char *command, const attn_seq_description *d)
{
    if (!d->unused_weights) return;
    fprintf(stderr, "attn %s: ", command);
    message_print_text(stderr, d->directory);
    fprintf(stderr, ": model.safetensors holds %" PRId64 " weight%s without a place in what config.json describes: ",
            d->unused_weights, plural(d->unused_weights));
    message_print_text(stderr, d->first_unused);
    fputs(d->unused_weights == 1 ? "\n" : ", ...\n", stderr);
}

int opened_model(const char *command, const char *directory, attn_seq_model **model, attn_seq_description *d)
{
    *d = (attn_seq_description){.struct_size = sizeof *d};
    if (attn_seq_model_open(model, directory) || attn_seq_model_describe(*model, d)) return failure_of_library(command);
    tell_of_unused_weights(command, d);
    return 0;
}

int opened_model_found(const char *command, const char *name, attn_seq_task task, attn_seq_model **model,
                       attn_seq_description *d)
{
    char *directory;
    if (attn_seq_model_find(name, task, &directory)) return failure_of_library(command);
    int status = opened_model(command, directory, model, d);
    attn_seq_free(directory);
    return status;
}
