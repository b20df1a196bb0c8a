#define _GNU_SOURCE /* asprintf */
#include "model/model_files.h"

#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>

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
