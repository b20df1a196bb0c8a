/* The files of a model's directory, by the names that Hugging Face gives them. */
#ifndef MODEL_MODEL_FILES_H
#define MODEL_MODEL_FILES_H

#include "formats/safetensors.h"

/* Paths, malloc'ed. */
typedef struct model_files {
    char *config;     /* config.json */
    char *generation; /* generation_config.json, which only models that write have */
    char *weights;    /* model.safetensors */
} model_files;

/* MEMORY where there is none for the names. To be cleared also after a failure. */
attn_status model_files_name(model_files *out, const char *directory);
void model_files_clear(model_files *f);

/* safetensors_open of a directory's model.safetensors; UNSUPPORTED, with what to do, where its weights are there in
 * another form that transformers writes. */
attn_status model_weights_open(safetensors **out, const char *path);

#endif
