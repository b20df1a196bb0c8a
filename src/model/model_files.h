/* The files of a model's directory, by the names that Hugging Face gives them. */
#ifndef MODEL_MODEL_FILES_H
#define MODEL_MODEL_FILES_H

#include "attn/attn.h"

/* Paths, malloc'ed. */
typedef struct model_files {
    char *config;     /* config.json */
    char *generation; /* generation_config.json, which only models that write have */
    char *weights;    /* model.safetensors */
} model_files;

/* MEMORY where there is none for the names. To be cleared also after a failure. */
attn_status model_files_name(model_files *out, const char *directory);
void model_files_clear(model_files *f);

#endif
