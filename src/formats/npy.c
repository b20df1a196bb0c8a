#include "formats/npy.h"

#include "base/checked.h"
#include "base/number_format.h"
#include "base/plural.h"
#include "base/replace_file.h"
#include "base/status.h"
#include "formats/npy_header.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_HEADER ((size_t)1 << 16) /* a header of NPY_MOST_RANK dimensions needs a few hundred bytes */

static attn_status truncated(const char *path, const char *what)
{
    return status_fail(ATTN_ERROR_FORMAT, "%s: ends within %s", path, what);
}

static attn_status read_header(FILE *f, const char *path, npy_header *h)
{
    unsigned char start[12];
    if (fread(start, 1, 8, f) != 8 || memcmp(start, "\x93NUMPY", 6) != 0)
        return status_fail(ATTN_ERROR_FORMAT, "%s: expected an npy file, which begins with \\x93NUMPY", path);
    if (start[6] < 1 || start[6] > 3 || start[7] != 0)
        return status_fail(ATTN_ERROR_UNSUPPORTED, "%s: version is %d.%d, expected 1.0, 2.0 or 3.0", path, start[6],
                           start[7]);
    size_t width = start[6] == 1 ? 2 : 4, size = 0;
    if (fread(start, 1, width, f) != width) return truncated(path, "its header's length");
    for (size_t i = width; i-- > 0;) size = size << 8 | start[i];
    if (size > MOST_HEADER)
        return status_fail(ATTN_ERROR_FORMAT, "%s: header length is %zu, expected at most %zu", path, size,
                           MOST_HEADER);
    char *text = malloc(size + 1);
    if (!text) return status_fail(ATTN_ERROR_MEMORY, "%s: no memory for its header", path);
    attn_status status =
        fread(text, 1, size, f) == size ? npy_header_parse(h, path, text, size) : truncated(path, "its header");
    free(text);
    return status;
}

static uint64_t load(const unsigned char *bytes, int size, bool big_endian)
{
    uint64_t bits = 0;
    for (int i = 0; i < size; i++) bits = bits << 8 | bytes[big_endian ? i : size - 1 - i];
    return bits;
}

static float load_float(const npy_header *h, uint64_t bits)
{
    if (h->kind == 'u') return (float)bits;
    if (h->kind == 'i') return (float)((int64_t)(bits << (64 - 8 * h->item_bytes)) >> (64 - 8 * h->item_bytes));
    if (h->item_bytes == 2) return fp16_to_float((uint16_t)bits);
    if (h->item_bytes == 4) return float_of_bits((uint32_t)bits);
    double wide;
    memcpy(&wide, &bits, sizeof wide);
    return (float)wide;
}

/* Where element `i` of the file goes in row-major order: its Fortran index taken apart, first dimension fastest. */
static int64_t row_major(const npy_header *h, int64_t i)
{
    if (!h->fortran_order) return i;
    int64_t place = 0, stride = h->count;
    for (int d = 0; d < h->rank; d++) {
        stride /= h->shape[d];
        place += i % h->shape[d] * stride;
        i /= h->shape[d];
    }
    return place;
}

/* The elements' bytes, malloc'ed. Memory doubles from a megabyte as the file really delivers, whatever its header
 * claims. */
static attn_status read_elements(FILE *f, const char *path, const npy_header *h, unsigned char **elements)
{
    size_t size = (size_t)h->count * (size_t)h->item_bytes, room = 1 << 20, held = 0;
    for (;;) {
        if (room > size) room = size;
        unsigned char *larger = realloc(*elements, room ? room : 1);
        if (!larger) return status_fail(ATTN_ERROR_MEMORY, "%s: no memory for %zu bytes", path, size);
        *elements = larger;
        held += fread(larger + held, 1, room - held, f);
        if (held < room)
            return status_fail(ATTN_ERROR_FORMAT, "%s: holds %zu byte%s of elements, expected %zu", path, held,
                               plural((int64_t)held), size);
        if (held == size) break;
        room = room > SIZE_MAX / 2 ? SIZE_MAX : room * 2;
    }
    if (fgetc(f) == EOF) return ATTN_OK;
    return status_fail(ATTN_ERROR_FORMAT, "%s: goes on after the %zu byte%s of elements expected", path, size,
                       plural((int64_t)size));
}

static attn_status convert(npy_array *a, const char *path, const npy_header *h, const unsigned char *elements)
{
    size_t size;
    size_t most = (size_t)(h->count ? h->count : 1);
    if (!checked_mul(most, sizeof *a->values, &size)) size = SIZE_MAX;
    a->rank = h->rank;
    a->count = h->count;
    memcpy(a->shape, h->shape, sizeof a->shape);
    if (h->kind == 'b')
        a->flags = malloc(most);
    else
        a->values = malloc(size);
    if (!a->flags && !a->values)
        return status_fail(ATTN_ERROR_MEMORY, "%s: no memory for %lld elements", path, (long long)h->count);
    for (int64_t i = 0; i < h->count; i++) {
        uint64_t bits = load(elements + i * h->item_bytes, h->item_bytes, h->big_endian);
        if (h->kind == 'b')
            a->flags[row_major(h, i)] = bits != 0;
        else
            a->values[row_major(h, i)] = load_float(h, bits);
    }
    return ATTN_OK;
}

attn_status npy_read(npy_array *out, const char *path)
{
    memset(out, 0, sizeof *out);
    FILE *f = fopen(path, "rb");
    if (!f) return status_fail(ATTN_ERROR_FILE, "%s: cannot read: %s", path, strerror(errno));
    npy_header h;
    unsigned char *elements = NULL;
    attn_status status = read_header(f, path, &h);
    if (status == ATTN_OK) status = read_elements(f, path, &h, &elements);
    if (ferror(f)) status = status_fail(ATTN_ERROR_FILE, "%s: cannot read: %s", path, strerror(errno));
    fclose(f);
    if (status == ATTN_OK) status = convert(out, path, &h, elements);
    free(elements);
    if (status != ATTN_OK) npy_clear(out);
    return status;
}

void npy_clear(npy_array *a)
{
    free(a->values);
    free(a->flags);
    memset(a, 0, sizeof *a);
}

static void write_header(replace_file *f, int rank, const int64_t *shape)
{
    char text[512];
    int length = snprintf(text, sizeof text, "{'descr': '<f4', 'fortran_order': False, 'shape': (");
    for (int i = 0; i < rank; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, "%lld,%s", (long long)shape[i],
                           i + 1 < rank ? " " : "");
    length += snprintf(text + length, sizeof text - (size_t)length, "), }");
    while ((10 + length + 1) % 64) text[length++] = ' '; /* the elements begin on 64 bytes, as NumPy has it */
    text[length++] = '\n';
    const unsigned char start[10] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)length, (unsigned char)(length >> 8)};
    replace_file_write(f, start, sizeof start);
    replace_file_write(f, text, (size_t)length);
}

attn_status npy_write(const char *path, int rank, const int64_t *shape, const float *values)
{
    if (rank < 0 || rank > NPY_MOST_RANK)
        return status_fail(ATTN_ERROR_ARGUMENT, "%s: rank = %d, expected 0 to %d", path, rank, NPY_MOST_RANK);
    int64_t count = 1;
    for (int i = 0; i < rank; i++) {
        if (shape[i] < 0 || !checked_mul_i64(count, shape[i], &count))
            return status_fail(ATTN_ERROR_ARGUMENT, "%s: shape[%d] = %lld", path, i, (long long)shape[i]);
    }
    replace_file *f;
    attn_status status = replace_file_open(&f, path);
    if (status != ATTN_OK) return status;
    write_header(f, rank, shape);
    unsigned char bytes[4096];
    for (int64_t i = 0; i < count; i += 1024) {
        int64_t here = count - i < 1024 ? count - i : 1024;
        for (int64_t j = 0; j < here; j++) {
            uint32_t bits = bits_of_float(values[i + j]);
            for (int b = 0; b < 4; b++) bytes[4 * j + b] = (unsigned char)(bits >> 8 * b);
        }
        replace_file_write(f, bytes, (size_t)here * 4);
    }
    return replace_file_commit(f);
}
