#include "kept_keys.h"
#include "array_rows.h"
#include "integers.h"
#include "workspace.h"

#include <stdlib.h>

static const element_type ELEMENT_I32 = {DLPACK_INT, 32};

/* What is written in place must be there: one row of values for each of keys, and a sequence for each of B. */
static bool agree(const array *key, const array *value, int64_t B, bool paged)
{
    char got[SHAPE_TEXT], beside[SHAPE_TEXT];
    bool same = true;
    for (int i = 0; i < 3; i++) same = same && key->shape[i] == value->shape[i];
    if (same && (paged || key->shape[0] == B)) return true;
    PyErr_Format(PyExc_ValueError, "key cache %s, value cache %s: expected the same but for the last dimension%s",
                 shape_text(got, 4, key->shape), shape_text(beside, 4, value->shape),
                 same ? ", and as many sequences as lengths and new keys" : "");
    return false;
}

static bool check_table(const array *x, const array *key, int64_t B)
{
    char got[SHAPE_TEXT];
    int64_t room;
    if (!array_is(x, ELEMENT_I32)) return array_refuse_type(x, "page_table", "int32");
    shape_text(got, x->rank, x->shape);
    if (x->rank != 2 || x->shape[0] != B)
        PyErr_Format(PyExc_ValueError, "page_table: expected shape (%lld, pages of a sequence), got %s", (long long)B,
                     got);
    else if (key->shape[2] == 0)
        PyErr_SetString(PyExc_ValueError, "key, value: pages of no keys, expected at least 1");
    else if (key->shape[0] == 0 && x->shape[0] && x->shape[1])
        PyErr_Format(PyExc_ValueError, "key, value: 0 pages, expected at least 1 beside a page_table of shape %s", got);
    else if (__builtin_mul_overflow(x->shape[1], key->shape[2], &room))
        PyErr_Format(PyExc_ValueError, "page_table: %lld pages of %lld keys, expected fewer than 2^63 keys",
                     (long long)x->shape[1], (long long)key->shape[2]);
    else
        return true;
    return false;
}

/* The entries of the keys that there are, row by row, as the operator takes them: a table may be broadcast, transposed
 * or stepped. */
static bool copy_table(cache *c, int64_t B, int64_t page_size)
{
    const array *x = &c->table;
    const int64_t row = x->shape[1];
    int64_t count;
    if (__builtin_mul_overflow(B, row, &count)) return PyErr_NoMemory() != NULL;
    c->entries = PyMem_Calloc((size_t)count, sizeof *c->entries);
    if (!c->entries) return PyErr_NoMemory() != NULL;
    for (int64_t b = 0; b < B; b++)
        for (int64_t n = 0; n < row && n * page_size < c->lengths[b]; n++)
            c->entries[b * row + n] = ((const int32_t *)x->data)[b * x->stride[0] + n * x->stride[1]];
    return true;
}

static bool open_table(cache *c, PyObject *object, array *key, array *value, int64_t B)
{
    array *x = &c->table;
    if (!array_borrow(x, object, "page_table") || !check_table(x, key, B)) return false;
    const int64_t row = x->shape[1];
    const bool in_rows = (row < 2 || x->stride[1] == 1) && (B < 2 || x->stride[0] >= row);
    if (!in_rows && !copy_table(c, B, key->shape[2])) return false;
    c->cache.page_size = key->shape[2];
    c->cache.pages = key->shape[0];
    c->cache.page_table = in_rows ? x->data : c->entries;
    c->cache.table_row = in_rows && B > 1 ? x->stride[0] : row;
    key->shape[0] = value->shape[0] = B;
    key->shape[2] = value->shape[2] = row * key->shape[2];
    return true;
}

bool cache_open_rotary(cache *c, PyObject *description)
{
    array *tables[] = {&c->cosines, &c->sines};
    char got[SHAPE_TEXT];
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "sines" : "cosines";
        array *x = tables[i];
        if (!rows_borrow(x, PyTuple_GetItem(description, i), name, 2)) return false;
        if (x->rank != 2 || x->shape[0] != tables[0]->shape[0] || x->shape[1] != tables[0]->shape[1] ||
            (x->shape[0] > 1 && x->stride[0] != x->shape[1])) {
            PyErr_Format(PyExc_ValueError, "%s: expected contiguous tables of one shape (P, R / 2), got %s", name,
                         shape_text(got, x->rank, x->shape));
            return false;
        }
    }
    bool interleaved;
    if (!truth_read(PyTuple_GetItem(description, 2), "interleaved", &interleaved)) return false;
    attn_rotary_init(&c->rotary, sizeof c->rotary, interleaved ? ATTN_ROTARY_INTERLEAVED : ATTN_ROTARY_HALVES,
                     c->cosines.shape[0], 2 * c->cosines.shape[1], c->cosines.data, c->sines.data);
    return c->rotated = true;
}

static bool open_scale(array *x, PyObject *object, const char *name, const array *rows, attn_output *out)
{
    char got[SHAPE_TEXT], wanted[SHAPE_TEXT];
    if (!rows_borrow(x, object, name, 3)) return false;
    for (int i = 0; i < 3; i++)
        if (x->rank != 3 || x->shape[i] != rows->shape[i]) {
            PyErr_Format(PyExc_ValueError, "%s: expected shape %s, one for each row, got %s", name,
                         shape_text(wanted, 3, rows->shape), shape_text(got, x->rank, x->shape));
            return false;
        }
    *out = array_output(x, 0);
    return true;
}

/* int8 rows have scales, others none; key and value are still as the caller has them. */
static bool open_scales(cache *c, PyObject *scales, const array *key, const array *value)
{
    const bool bytes = array_is(key, ELEMENT_INT8);
    if (!array_is(value, key->element)) return array_refuse_type(value, "value", element_name(key->element));
    c->cache.dtype = dtype_of(key);
    if (bytes && scales == Py_None) {
        PyErr_SetString(PyExc_ValueError, "scales: expected (key scales, value scales) beside int8 keys, got None");
        return false;
    }
    if (!bytes && scales != Py_None) {
        PyErr_Format(PyExc_ValueError, "scales: expected None beside keys of %s", element_name(key->element));
        return false;
    }
    if (!bytes) return true;
    return open_scale(&c->k_scales, PyTuple_GetItem(scales, 0), "key scales", key, &c->cache.k_scales) &&
           open_scale(&c->v_scales, PyTuple_GetItem(scales, 1), "value scales", value, &c->cache.v_scales);
}

bool cache_open(cache *c, PyObject *description, array *key, array *value, const char *name, int64_t B)
{
    PyObject *lengths = PyTuple_GetItem(description, 0), *table = PyTuple_GetItem(description, 1);
    PyObject *rotary = PyTuple_GetItem(description, 2);
    attn_output k = array_output(key, 1), v = array_output(value, 1);
    attn_cache_init(&c->cache, sizeof c->cache, B, key->shape[1], key->shape[2], key->shape[3], value->shape[3], 0, 0);
    if (PyTuple_Size(lengths) != B) {
        PyErr_Format(PyExc_ValueError, "%s: expected as many sequences as the cache has, %zd, got %lld", name,
                     PyTuple_Size(lengths), (long long)B);
        return false;
    }
    c->lengths = PyMem_Malloc((size_t)B * sizeof *c->lengths);
    if (!c->lengths) return PyErr_NoMemory() != NULL;
    if (!integers_read(lengths, "lengths", INTEGER_EACH, B, c->lengths) || !agree(key, value, B, table != Py_None))
        return false;
    if (!open_scales(c, PyTuple_GetItem(description, 3), key, value)) return false;
    if (table != Py_None && !open_table(c, table, key, value, B)) return false;
    c->cache.S = key->shape[2];
    c->cache.k = k;
    c->cache.v = v;
    c->cache.lengths = c->lengths;
    return rotary == Py_None || cache_open_rotary(c, rotary);
}

void cache_close(cache *c)
{
    array *arrays[] = {&c->table, &c->cosines, &c->sines, &c->k_scales, &c->v_scales};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) array_release(arrays[i]);
    PyMem_Free(c->entries);
    PyMem_Free(c->lengths);
}

static attn_status decode(const cache *c, const attn_desc *desc)
{
    size_t size;
    attn_status status = attn_decode_workspace_size(desc, &c->cache, &size);
    if (status != ATTN_OK) return status;
    void *workspace = workspace_take(size);
    if (!workspace) return ATTN_ERROR_MEMORY;
    status = attn_decode(desc, &c->cache, workspace, size);
    workspace_done();
    return status;
}

attn_status cache_decode(const cache *c, const attn_desc *desc)
{
    if (!c->rotated) return decode(c, desc);
    attn_desc turned = *desc; /* its queries (B, H, T, D) in memory of their own */
    size_t count = (size_t)(desc->B * desc->H * desc->T * desc->D);
    float *room = malloc(count * sizeof *room + 1);
    if (!room) return ATTN_ERROR_MEMORY;
    attn_output y = {room, desc->H * desc->T * desc->D, desc->T * desc->D, desc->D};
    attn_status status = attn_rotate(desc, c->lengths, &c->rotary, &y);
    turned.q = (attn_view){room, y.batch, y.head, y.row};
    if (status == ATTN_OK) status = decode(c, &turned);
    free(room);
    return status;
}
