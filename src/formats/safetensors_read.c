#include "formats/safetensors.h"

#include "base/checked.h"
#include "base/number_format.h"
#include "base/plural.h"
#include "base/status.h"
#include "formats/regular_file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct safetensors {
    char *path;
    unsigned char *file;
    size_t file_size;
    json_t *header;
    safetensors_tensor *tensors; /* in the order of their bytes */
    int64_t count;
};

static const struct {
    const char *name;
    size_t size;
} types[] = {
    [SAFETENSORS_F32] = {"F32", 4},   [SAFETENSORS_BF16] = {"BF16", 2}, [SAFETENSORS_F16] = {"F16", 2},
    [SAFETENSORS_F64] = {"F64", 8},   [SAFETENSORS_I64] = {"I64", 8},   [SAFETENSORS_I32] = {"I32", 4},
    [SAFETENSORS_I16] = {"I16", 2},   [SAFETENSORS_I8] = {"I8", 1},     [SAFETENSORS_U64] = {"U64", 8},
    [SAFETENSORS_U32] = {"U32", 4},   [SAFETENSORS_U16] = {"U16", 2},   [SAFETENSORS_U8] = {"U8", 1},
    [SAFETENSORS_BOOL] = {"BOOL", 1},
};

const char *safetensors_type_name(safetensors_type type)
{
    return types[type].name;
}

static attn_status read_type(const safetensors *s, const json_t *entry, safetensors_tensor *t)
{
    const json_t *dtype = json_object_get(entry, "dtype");
    if (!json_is_string(dtype))
        return status_fail(ATTN_ERROR_FORMAT, "%s: %.200s: dtype is missing or no string", s->path, t->name);
    const char *name = json_string_value(dtype);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(name, types[i].name) != 0) continue;
        t->type = (safetensors_type)i;
        return ATTN_OK;
    }
    return status_fail(ATTN_ERROR_UNSUPPORTED, "%s: %.200s: dtype is \"%.40s\", expected one such as F32, BF16 or F16",
                       s->path, t->name, name);
}

static attn_status read_shape(const safetensors *s, const json_t *entry, safetensors_tensor *t)
{
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape))
        return status_fail(ATTN_ERROR_FORMAT, "%s: %.200s: shape is missing or no array", s->path, t->name);
    size_t rank = json_array_size(shape);
    if (rank > SAFETENSORS_MOST_RANK)
        return status_fail(ATTN_ERROR_UNSUPPORTED, "%s: %.200s: shape has %zu dimensions, expected at most %d", s->path,
                           t->name, rank, SAFETENSORS_MOST_RANK);
    t->rank = (int)rank;
    t->count = 1;
    for (size_t i = 0; i < rank; i++) {
        const json_t *dimension = json_array_get(shape, i);
        t->shape[i] = json_is_integer(dimension) ? (int64_t)json_integer_value(dimension) : -1;
        if (t->shape[i] < 0)
            return status_fail(ATTN_ERROR_FORMAT, "%s: %.200s: shape[%zu] is no integer from 0 up", s->path, t->name,
                               i);
        if (!checked_mul_i64(t->count, t->shape[i], &t->count))
            return status_fail(ATTN_ERROR_FORMAT,
                               "%s: %.200s: shape[%zu] = %lld makes more elements than can be counted", s->path,
                               t->name, i, (long long)t->shape[i]);
    }
    return ATTN_OK;
}

static attn_status read_offsets(const safetensors *s, const json_t *entry, size_t data_size, safetensors_tensor *t,
                                const unsigned char *data)
{
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *first = json_array_get(offsets, 0), *second = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(second))
        return status_fail(ATTN_ERROR_FORMAT, "%s: %.200s: data_offsets is missing, expected two integers", s->path,
                           t->name);
    long long begin = json_integer_value(first), end = json_integer_value(second);
    if (begin < 0 || end < begin || (unsigned long long)end > data_size)
        return status_fail(ATTN_ERROR_FORMAT,
                           "%s: %.200s: data_offsets are %lld and %lld, expected 0 <= begin <= end <= %zu", s->path,
                           t->name, begin, end, data_size);
    t->bytes = data + begin;
    t->size = (size_t)(end - begin);
    size_t expected;
    if (!checked_mul((size_t)t->count, types[t->type].size, &expected) || t->size != expected)
        return status_fail(
            ATTN_ERROR_FORMAT, "%s: %.200s: data_offsets span %zu byte%s, expected %lld element%s of %zu", s->path,
            t->name, t->size, plural((int64_t)t->size), (long long)t->count, plural(t->count), types[t->type].size);
    return ATTN_OK;
}

static int by_offset(const void *a, const void *b)
{
    const safetensors_tensor *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
    return x->size < y->size ? -1 : x->size > y->size;
}

/* Sorted by offset, each tensor begins where the last one ended, and the last one ends with the file. */
static attn_status check_layout(const safetensors *s, const unsigned char *data, size_t data_size)
{
    const unsigned char *expected = data;
    for (int64_t i = 0; i < s->count; i++) {
        const safetensors_tensor *t = &s->tensors[i];
        if (t->bytes != expected)
            return status_fail(ATTN_ERROR_FORMAT, "%s: %.200s: data begins at %td, expected %td: tensors %s", s->path,
                               t->name, t->bytes - data, expected - data,
                               t->bytes < expected ? "overlap" : "leave a gap");
        expected += t->size;
    }
    if (expected != data + data_size)
        return status_fail(ATTN_ERROR_FORMAT,
                           "%s: the tensors end at byte %td of the data, expected %zu, the file's end", s->path,
                           expected - data, data_size);
    return ATTN_OK;
}

static attn_status read_metadata(const safetensors *s, json_t *metadata)
{
    const char *name;
    json_t *value;
    if (!json_is_object(metadata)) return status_fail(ATTN_ERROR_FORMAT, "%s: __metadata__ is no object", s->path);
    json_object_foreach(metadata, name, value)
    {
        if (!json_is_string(value))
            return status_fail(ATTN_ERROR_FORMAT, "%s: __metadata__: %.200s is no string", s->path, name);
    }
    return ATTN_OK;
}

static attn_status read_tensors(safetensors *s, size_t header_size)
{
    const unsigned char *data = s->file + 8 + header_size;
    size_t data_size = s->file_size - 8 - header_size, most = json_object_size(s->header);
    s->tensors = calloc(most ? most : 1, sizeof *s->tensors);
    if (!s->tensors) return status_fail(ATTN_ERROR_MEMORY, "%s: no memory for %zu tensors", s->path, most);
    const char *name;
    json_t *entry;
    json_object_foreach(s->header, name, entry)
    {
        attn_status status;
        if (strcmp(name, "__metadata__") == 0) {
            if ((status = read_metadata(s, entry)) != ATTN_OK) return status;
            continue;
        }
        safetensors_tensor *t = &s->tensors[s->count++];
        t->name = name;
        if (!json_is_object(entry)) return status_fail(ATTN_ERROR_FORMAT, "%s: %.200s is no object", s->path, name);
        if ((status = read_type(s, entry, t)) != ATTN_OK) return status;
        if ((status = read_shape(s, entry, t)) != ATTN_OK) return status;
        if ((status = read_offsets(s, entry, data_size, t, data)) != ATTN_OK) return status;
    }
    qsort(s->tensors, (size_t)s->count, sizeof *s->tensors, by_offset);
    return check_layout(s, data, data_size);
}

static attn_status read_header(safetensors *s)
{
    if (s->file_size < 8)
        return status_fail(ATTN_ERROR_FORMAT, "%s: %zu byte%s, expected at least the 8 of the header's length", s->path,
                           s->file_size, plural((int64_t)s->file_size));
    uint64_t size = 0;
    for (int i = 7; i >= 0; i--) size = size << 8 | s->file[i];
    size_t most = s->file_size - 8 < SAFETENSORS_MOST_HEADER ? s->file_size - 8 : SAFETENSORS_MOST_HEADER;
    if (size > most)
        return status_fail(ATTN_ERROR_FORMAT, "%s: header length is %llu, expected at most %zu", s->path,
                           (unsigned long long)size, most);
    json_error_t error;
    s->header = json_loadb((const char *)s->file + 8, (size_t)size, JSON_REJECT_DUPLICATES, &error);
    if (!s->header)
        return status_fail(ATTN_ERROR_FORMAT, "%s: header, byte %d: %s, expected JSON", s->path, error.position,
                           error.text);
    if (!json_is_object(s->header)) return status_fail(ATTN_ERROR_FORMAT, "%s: header is no JSON object", s->path);
    return read_tensors(s, (size_t)size);
}

static attn_status map_file(safetensors *s)
{
    attn_status expected = regular_file_expect(s->path);
    if (expected != ATTN_OK) return expected;
    int fd = open(s->path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        int error = errno;
        if (fd >= 0) close(fd);
        return status_fail(ATTN_ERROR_FILE, "%s: cannot read: %s", s->path, strerror(error));
    }
    if (!S_ISREG(st.st_mode) || st.st_size < 8) {
        close(fd);
        return status_fail(ATTN_ERROR_FORMAT, "%s: expected a regular file of at least 8 bytes", s->path);
    }
    s->file_size = (size_t)st.st_size;
    s->file = mmap(NULL, s->file_size, PROT_READ, MAP_PRIVATE, fd, 0);
    int error = errno;
    close(fd);
    if (s->file != MAP_FAILED) return ATTN_OK;
    s->file = NULL;
    return status_fail(ATTN_ERROR_FILE, "%s: cannot map: %s", s->path, strerror(error));
}

attn_status safetensors_open(safetensors **out, const char *path)
{
    *out = NULL;
    safetensors *s = calloc(1, sizeof *s);
    if (s) s->path = strdup(path);
    if (!s || !s->path) {
        free(s);
        return status_fail(ATTN_ERROR_MEMORY, "%s: no memory to read it", path);
    }
    attn_status status = map_file(s);
    if (status == ATTN_OK) status = read_header(s);
    if (status != ATTN_OK) {
        safetensors_close(s);
        return status;
    }
    *out = s;
    return ATTN_OK;
}

void safetensors_close(safetensors *s)
{
    if (!s) return;
    if (s->file) munmap(s->file, s->file_size);
    json_decref(s->header);
    free(s->tensors);
    free(s->path);
    free(s);
}

const char *safetensors_path(const safetensors *s)
{
    return s->path;
}

int64_t safetensors_count(const safetensors *s)
{
    return s->count;
}

const safetensors_tensor *safetensors_at(const safetensors *s, int64_t index)
{
    return &s->tensors[index];
}

const safetensors_tensor *safetensors_find(const safetensors *s, const char *name)
{
    for (int64_t i = 0; i < s->count; i++) {
        if (strcmp(s->tensors[i].name, name) == 0) return &s->tensors[i];
    }
    return NULL;
}

const char *safetensors_metadata(const safetensors *s, const char *name)
{
    return json_string_value(json_object_get(json_object_get(s->header, "__metadata__"), name));
}

const float *safetensors_floats(const safetensors_tensor *t)
{
    const bool little_endian = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    if (!little_endian || t->type != SAFETENSORS_F32 || (uintptr_t)t->bytes % _Alignof(float) != 0) return NULL;
    return (const float *)t->bytes;
}

static uint16_t load_u16(const unsigned char *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

attn_status safetensors_read_floats(const safetensors *s, const safetensors_tensor *t, float *values)
{
    switch (t->type) {
    case SAFETENSORS_F32:
        for (int64_t i = 0; i < t->count; i++)
            values[i] = float_of_bits(load_u16(t->bytes + 4 * i) | (uint32_t)load_u16(t->bytes + 4 * i + 2) << 16);
        return ATTN_OK;
    case SAFETENSORS_BF16:
        for (int64_t i = 0; i < t->count; i++) values[i] = bf16_to_float(load_u16(t->bytes + 2 * i));
        return ATTN_OK;
    case SAFETENSORS_F16:
        for (int64_t i = 0; i < t->count; i++) values[i] = fp16_to_float(load_u16(t->bytes + 2 * i));
        return ATTN_OK;
    default:
        return status_fail(ATTN_ERROR_UNSUPPORTED, "%s: %.200s: dtype is %s, expected F32, BF16 or F16", s->path,
                           t->name, safetensors_type_name(t->type));
    }
}
