#include "formats/safetensors.h"

#include "base/checked.h"
#include "base/number_format.h"
#include "base/replace_file.h"
#include "base/status.h"
#include "base/utf8.h"
#include "formats/int8_rows.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static size_t element_size(safetensors_type type)
{
    return type == SAFETENSORS_F32 ? 4 : type == SAFETENSORS_BF16 ? 2 : 1;
}

/* The bytes of an entry; false when they cannot be counted. */
static bool entry_size(const safetensors_entry *e, size_t *size)
{
    *size = element_size(e->type);
    for (int i = 0; i < e->rank; i++) {
        if (e->shape[i] < 0 || !checked_mul(*size, (size_t)e->shape[i], size)) return false;
    }
    return true;
}

static json_t *describe(const safetensors_entry *e, size_t begin, size_t end)
{
    json_t *shape = json_array();
    for (int i = 0; i < e->rank; i++) json_array_append_new(shape, json_integer(e->shape[i]));
    return json_pack("{s:s, s:o, s:[I,I]}", "dtype", safetensors_type_name(e->type), "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)end);
}

/* JSON holds UTF-8 alone: the first name or string that is not, NULL when all are. */
static const char *find_invalid_text(const safetensors_entry *entries, int64_t count, const char *const (*metadata)[2],
                                     int64_t metadata_count)
{
    for (int64_t i = 0; i < count; i++) {
        if (!utf8_valid(entries[i].name, strlen(entries[i].name))) return entries[i].name;
    }
    for (int64_t i = 0; i < 2 * metadata_count; i++) {
        const char *string = metadata[i / 2][i % 2];
        if (!utf8_valid(string, strlen(string))) return string;
    }
    return NULL;
}

/* NULL without memory; *countable says whether every size could be counted. */
static json_t *build_header(const safetensors_entry *entries, int64_t count, const char *const (*metadata)[2],
                            int64_t metadata_count, bool *countable)
{
    *countable = true;
    json_t *header = json_object(), *strings = json_object();
    int failed = 0;
    for (int64_t i = 0; i < metadata_count; i++)
        failed |= json_object_set_new(strings, metadata[i][0], json_string(metadata[i][1]));
    failed |= json_object_set_new(header, "__metadata__", strings);
    size_t begin = 0;
    for (int64_t i = 0; i < count; i++) {
        size_t size, end;
        if (!entry_size(&entries[i], &size) || !checked_add(begin, size, &end)) {
            *countable = false;
            break;
        }
        failed |= json_object_set_new(header, entries[i].name, describe(&entries[i], begin, end));
        begin = end;
    }
    if (!failed) return header;
    json_decref(header);
    return NULL;
}

/* The length and the text, padded with spaces so that the data begins on 8 bytes, as the format's own library does. */
static void write_header(replace_file *f, const char *text)
{
    size_t length = strlen(text), padded = (length + 7) & ~(size_t)7;
    unsigned char size[8];
    for (int i = 0; i < 8; i++) size[i] = (unsigned char)((uint64_t)padded >> 8 * i);
    replace_file_write(f, size, sizeof size);
    replace_file_write(f, text, length);
    replace_file_write(f, "       ", padded - length);
}

static attn_status write_floats(replace_file *f, const safetensors_entry *e, int64_t count)
{
    unsigned char bytes[4096];
    int64_t size = (int64_t)element_size(e->type), chunk = (int64_t)sizeof bytes / size;
    for (int64_t start = 0; start < count; start += chunk) {
        int64_t here = count - start < chunk ? count - start : chunk;
        for (int64_t i = 0; i < here; i++) {
            float x = e->values[start + i];
            uint32_t bits = e->type == SAFETENSORS_F32 ? bits_of_float(x) : bf16_of_float(x);
            for (int64_t b = 0; b < size; b++) bytes[i * size + b] = (unsigned char)(bits >> 8 * b);
        }
        attn_status status = replace_file_write(f, bytes, (size_t)(here * size));
        if (status != ATTN_OK) return status;
    }
    return ATTN_OK;
}

static attn_status write_int8_rows(replace_file *f, const char *path, const safetensors_entry *e)
{
    const int64_t rows = e->shape[0], columns = e->shape[1];
    int8_t *bytes = malloc((size_t)columns + 1);
    attn_status status = bytes ? ATTN_OK : status_fail(ATTN_ERROR_MEMORY, "%s: no memory for a row", path);
    for (int64_t i = 0; i < rows && status == ATTN_OK; i++) {
        float scale;
        if ((status = int8_row_scale(path, e, i, &scale)) != ATTN_OK) break;
        int8_row_encode(columns, e->values + i * columns, scale, bytes);
        status = replace_file_write(f, bytes, (size_t)columns);
    }
    free(bytes);
    return status;
}

static attn_status write_tensor(replace_file *f, const char *path, const safetensors_entry *e)
{
    if (e->type == SAFETENSORS_I8) return write_int8_rows(f, path, e);
    size_t size = 0;
    entry_size(e, &size);
    return write_floats(f, e, (int64_t)(size / element_size(e->type)));
}

static attn_status check_type(const char *path, const safetensors_entry *e)
{
    if (e->type == SAFETENSORS_F32 || e->type == SAFETENSORS_BF16) return ATTN_OK;
    if (e->type == SAFETENSORS_I8 && e->rank == 2) return ATTN_OK;
    return status_fail(ATTN_ERROR_UNSUPPORTED, "%s: %s: cannot write type %s with %d dimensions", path, e->name,
                       safetensors_type_name(e->type), e->rank);
}

attn_status safetensors_write(const char *path, const safetensors_entry *entries, int64_t count,
                              const char *const (*metadata)[2], int64_t metadata_count)
{
    for (int64_t i = 0; i < count; i++) {
        attn_status status = check_type(path, &entries[i]);
        if (status != ATTN_OK) return status;
    }
    const char *invalid = find_invalid_text(entries, count, metadata, metadata_count);
    if (invalid) return status_fail(ATTN_ERROR_ARGUMENT, "%s: \"%.100s\" is not valid UTF-8", path, invalid);
    bool countable;
    json_t *header = build_header(entries, count, metadata, metadata_count, &countable);
    char *text = header && countable ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    if (!countable) return status_fail(ATTN_ERROR_OVERFLOW, "%s: more bytes than can be counted", path);
    if (!text) return status_fail(ATTN_ERROR_MEMORY, "%s: no memory for its header", path);

    replace_file *f;
    attn_status status = replace_file_open(&f, path);
    if (status == ATTN_OK) {
        write_header(f, text);
        for (int64_t i = 0; i < count && status == ATTN_OK; i++) status = write_tensor(f, path, &entries[i]);
        if (status == ATTN_OK)
            status = replace_file_commit(f);
        else
            replace_file_discard(f);
    }
    free(text);
    return status;
}
