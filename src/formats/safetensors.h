/* safetensors, the file that Hugging Face models keep their weights in:
 *
 *     8 bytes   N, the header's length, little endian
 *     N bytes   JSON: {"__metadata__": {name: string}, name: {"dtype": "F32", "shape": [..], "data_offsets": [begin,
 * end]}, ..} the rest  the tensors, row-major, little endian; together they fill it without gap or overlap
 *
 * Nothing in the file is trusted: lengths, offsets, shapes, types and names are all checked when it is opened. Offsets
 * need not be aligned. The file is mapped, not read: who replaces it must rename (as everything here does), not
 * truncate. */
#ifndef FORMATS_SAFETENSORS_H
#define FORMATS_SAFETENSORS_H

#include "attn/attn.h"

#define SAFETENSORS_MOST_RANK 8
#define SAFETENSORS_MOST_HEADER 100000000 /* bytes; the limit of the format's own library */

typedef enum safetensors_type {
    SAFETENSORS_F32,
    SAFETENSORS_BF16,
    SAFETENSORS_F16,
    SAFETENSORS_F64,
    SAFETENSORS_I64,
    SAFETENSORS_I32,
    SAFETENSORS_I16,
    SAFETENSORS_I8,
    SAFETENSORS_U64,
    SAFETENSORS_U32,
    SAFETENSORS_U16,
    SAFETENSORS_U8,
    SAFETENSORS_BOOL
} safetensors_type;

const char *safetensors_type_name(safetensors_type type);

typedef struct safetensors_tensor {
    const char *name;
    safetensors_type type;
    int rank;
    int64_t shape[SAFETENSORS_MOST_RANK];
    int64_t count;              /* elements */
    const unsigned char *bytes; /* in the mapping, any alignment */
    size_t size;
} safetensors_tensor;

typedef struct safetensors safetensors;

attn_status safetensors_open(safetensors **out, const char *path);
void safetensors_close(safetensors *s);

/* As it was opened. */
const char *safetensors_path(const safetensors *s);

int64_t safetensors_count(const safetensors *s);

/* In the order of their bytes in the file. */
const safetensors_tensor *safetensors_at(const safetensors *s, int64_t index);

/* NULL when there is none of that name. */
const safetensors_tensor *safetensors_find(const safetensors *s, const char *name);

/* A string of the metadata; NULL when absent. */
const char *safetensors_metadata(const safetensors *s, const char *name);

/* All elements as fp32, exact: types F32, BF16 and F16; any other is ATTN_ERROR_UNSUPPORTED. */
attn_status safetensors_read_floats(const safetensors *s, const safetensors_tensor *t, float *values);

/* The elements where they lie in the mapping, valid until safetensors_close; NULL unless they are F32 and aligned for
 * this machine to read. */
const float *safetensors_floats(const safetensors_tensor *t);

typedef struct safetensors_entry {
    const char *name;
    safetensors_type type; /* F32, BF16 (values rounded to nearest even), I8 (a matrix's rows: int8_rows.h) */
    int rank;
    const int64_t *shape;
    const float *values;
} safetensors_entry;

/* Writes the entries in the given order, beside and renamed. metadata: `metadata_count` pairs of name and string. */
attn_status safetensors_write(const char *path, const safetensors_entry *entries, int64_t count,
                              const char *const (*metadata)[2], int64_t metadata_count);

#endif
