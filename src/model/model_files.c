#define _GNU_SOURCE /* asprintf */
#include "model/model_files.h"

#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *join(const char *directory, const char *name)
{
    char *path;
    return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

attn_status model_files_name(model_files *out, const char *directory)
{
    *out = (model_files){join(directory, "config.json"), join(directory, "generation_config.json"),
                         join(directory, "model.safetensors")};
    if (out->config && out->generation && out->weights) return ATTN_OK;
    return status_fail(ATTN_ERROR_MEMORY, "%s: no memory for the names of its files", directory);
}

void model_files_clear(model_files *f)
{
    free(f->config);
    free(f->generation);
    free(f->weights);
    *f = (model_files){0};
}

static attn_status refuse_other_form(const char *path, const char *other, const char *words)
{
    const char *slash = strrchr(path, '/');
    char *there;
    if (asprintf(&there, "%.*s%s", slash ? (int)(slash + 1 - path) : 0, path, other) < 0) return ATTN_OK;
    const bool found = access(there, F_OK) == 0;
    attn_status s = found ? status_fail(ATTN_ERROR_UNSUPPORTED, "%s: %s", there, words) : ATTN_OK;
    free(there);
    return s;
}

attn_status model_weights_open(safetensors **out, const char *path)
{
    static const char *const others[][2] = {
        {"model.safetensors.index.json",
         "weights in several files, expected one: in transformers, save_pretrained with "
         "max_shard_size=\"100GB\" writes it"},
        {"pytorch_model.bin", "a pickle, which is a program and never run here, expected model.safetensors: in "
                              "transformers, from_pretrained and then save_pretrained write it"},
    };
    *out = NULL;
    attn_status s = ATTN_OK;
    for (size_t i = 0; access(path, F_OK) != 0 && s == ATTN_OK && i < sizeof others / sizeof *others; i++)
        s = refuse_other_form(path, others[i][0], others[i][1]);
    return s == ATTN_OK ? safetensors_open(out, path) : s;
}
