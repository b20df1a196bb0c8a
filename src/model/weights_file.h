/* A model's parameters from and to model.safetensors: what every family has in common. */
#ifndef MODEL_WEIGHTS_FILE_H
#define MODEL_WEIGHTS_FILE_H

#include "formats/safetensors.h"
#include "model/weight_format.h"
#include "tensor/parameters.h"

/* Of one weight, where a model that is made already takes those of a file. */
typedef enum weight_need {
    WEIGHT_NEEDED,
    WEIGHT_WELCOME, /* where it is absent, the model's stays */
    WEIGHT_DRAWN    /* the model's stays in any case */
} weight_need;

/* What a family allows its files to differ in. All zero: every weight is there under its one name. */
typedef struct weight_rules {
    /* Other names under which files hold the same weight, NULL-terminated, or NULL: which of them a file uses has
     * changed between versions of transformers. */
    const char *const *(*other_names)(const void *model, const char *name);
    bool names_agree;     /* a weight present under several names must be equal under all; false: the first counts */
    const char *optional; /* a weight that is zero where it is absent, or NULL */
    const char *const *elsewhere; /* tensors that the family reads by itself, NULL-terminated, or NULL: none */
    bool int8_rows;               /* matrices may be I8 with scales (formats/int8_rows.h) */
    const char *prefix;           /* that names may lack in the file; NULL: none */
    /* For weights_renew. */
    weight_need (*need_of)(const void *model, const parameter *p);
} weight_rules;

/* Weights of a file that the model has no place for, as where config.json belongs to another one: transformers warns
 * of them too. Numbers that are no weights, which old files hold as position_ids, do not count. */
typedef struct weights_unused {
    int64_t count;
    char first[128]; /* its name, cut to that; "" without one */
} weights_unused;

/* Allocates the declared parameters and fills them from the file (fp32, bf16 or fp16, or as the rules allow), after
 * every weight's name, shape and scales have been checked. Unless `trainable`, fp32 weights are used where they lie in
 * the mapped file, which then must stay open as long as the parameters: nothing is copied, and only what is used is
 * ever read from the disk. */
attn_status weights_read(parameters *p, const weight_rules *rules, const void *model, const safetensors *file,
                         bool trainable, weights_unused *unused);

/* The weights that stayed as they were. */
typedef struct weights_drawn {
    int64_t count;
    char names[256]; /* "a, b", cut to that */
} weights_drawn;

/* Fills parameters that have their memory and their values already, as the rules' need_of says. */
attn_status weights_renew(parameters *p, const weight_rules *rules, const void *model, const safetensors *file,
                          weights_drawn *drawn);

/* ATTN_ERROR_FORMAT, naming both shapes, where the file's tensor has another one. */
attn_status weights_check_shape(const safetensors *file, const safetensors_tensor *t, int rank, const int64_t *shape);

/* Writes all parameters, and `more_count` further entries (none in int8) whose type is set here, beside and renamed. */
attn_status weights_write(const parameters *p, const safetensors_entry *more, int64_t more_count, weight_format format,
                          const char *path);

#endif
