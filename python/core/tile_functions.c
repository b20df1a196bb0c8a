#include "tile_functions.h"

#include "result.h"

#include <math.h>

/* The tile as the functions are told of it. */
static PyObject *describe(const tile_functions *f, const tile_function *own, const attn_tile *t)
{
    return PyObject_CallFunction(own->tile, "LLLLLLL", (long long)(f->first_sequence + t->sequence), (long long)t->head,
                                 (long long)t->query, (long long)t->position, (long long)t->queries, (long long)t->key,
                                 (long long)t->keys);
}

/* The tile's scores in an array (queries, keys) of its own: the tile itself is gone when the function has returned. */
static PyObject *copy_scores(const tile_functions *f, const attn_tile *t)
{
    const int64_t shape[] = {t->queries, t->keys};
    result made = {0};
    if (!result_create(&made, f->like, ELEMENT_F32, 2, shape)) {
        result_release(&made);
        return NULL;
    }
    float *out = made.view.data;
    for (int64_t m = 0; m < t->queries; m++)
        for (int64_t n = 0; n < t->keys; n++) *out++ = t->values[m * t->query_step + n * t->key_step];
    return result_take(&made);
}

/* Sees what a function returned as (queries, keys). */
static bool borrow_returned(array *x, PyObject *returned, const char *name, const attn_tile *t)
{
    const int64_t shape[] = {t->queries, t->keys};
    char got[SHAPE_TEXT], expected[SHAPE_TEXT];
    if (!array_borrow(x, returned, name)) return false;
    const int rank = x->rank;
    int64_t given[ARRAY_RANK];
    for (int i = 0; i < rank; i++) given[i] = x->shape[i];
    if (array_broadcast(x, 2, shape)) return true;
    PyErr_Format(PyExc_ValueError, "%s: returned shape %s, expected one that broadcasts to the tile's %s", name,
                 shape_text(got, rank, given), shape_text(expected, 2, shape));
    array_release(x);
    return false;
}

static double number_at(const array *x, int64_t m, int64_t n)
{
    const int64_t at = m * x->stride[0] + n * x->stride[1];
    return x->element.bits == 64 ? ((const double *)x->data)[at] : ((const float *)x->data)[at];
}

/* What function(scores, place) returns: put in place of the tile's scores, or its slopes multiplied by it. */
static bool apply(const tile_functions *f, const attn_tile *t, PyObject *function, const char *name, PyObject *place,
                  bool slopes)
{
    array x;
    PyObject *scores = copy_scores(f, t);
    PyObject *returned = scores ? PyObject_CallFunctionObjArgs(function, scores, place, NULL) : NULL;
    Py_XDECREF(scores);
    bool done = returned && borrow_returned(&x, returned, name, t);
    if (done) {
        const bool numbers = array_is(&x, ELEMENT_F32) || array_is(&x, ELEMENT_F64);
        if (!numbers) array_refuse_type(&x, name, "float32 or float64");
        for (int64_t m = 0; numbers && m < t->queries; m++)
            for (int64_t n = 0; n < t->keys; n++) {
                const int64_t at = m * t->query_step + n * t->key_step;
                if (slopes)
                    t->slopes[at] *= (float)number_at(&x, m, n);
                else
                    t->values[at] = (float)number_at(&x, m, n);
            }
        array_release(&x);
        done = numbers;
    }
    Py_XDECREF(returned);
    return done;
}

static bool score_tile(const tile_functions *f, const attn_tile *t)
{
    PyObject *place = describe(f, &f->score, t);
    bool done = place && (!t->slopes || apply(f, t, f->score.derivative, "score_function's derivative", place, true)) &&
                apply(f, t, f->score.function, "score_function", place, false);
    Py_XDECREF(place);
    return done;
}

/* Writes -inf where the array is False. */
static attn_tile_kept keep_marked(const array *x, const attn_tile *t)
{
    bool some = false, all = true;
    for (int64_t m = 0; m < t->queries; m++)
        for (int64_t n = 0; n < t->keys; n++) {
            const bool kept = ((const uint8_t *)x->data)[m * x->stride[0] + n * x->stride[1]] != 0;
            if (!kept) t->values[m * t->query_step + n * t->key_step] = -INFINITY;
            some |= kept, all &= kept;
        }
    return all ? ATTN_TILE_ALL : some ? ATTN_TILE_SOME : ATTN_TILE_NONE;
}

/* Of True, False (NumPy's own too, which are no arrays), or an array of bool. */
static bool read_kept(PyObject *returned, const attn_tile *t, attn_tile_kept *kept)
{
    array x;
    PyObject *plain = PyBool_Check(returned)                           ? Py_NewRef(returned)
                      : PyObject_HasAttrString(returned, "__dlpack__") ? NULL
                                                                       : PyObject_CallMethod(returned, "item", NULL);
    PyErr_Clear();
    Py_XDECREF(plain); /* True and False live on */
    if (plain == Py_True || plain == Py_False) {
        *kept = plain == Py_True ? ATTN_TILE_ALL : ATTN_TILE_NONE;
        return true;
    }
    if (returned == Py_None) {
        PyErr_SetString(PyExc_TypeError, "mask_function: returned None, expected True, False or an array of bool");
        return false;
    }
    if (!borrow_returned(&x, returned, "mask_function", t)) return false;
    const bool marks = array_is(&x, ELEMENT_BOOL);
    if (marks)
        *kept = keep_marked(&x, t);
    else
        array_refuse_type(&x, "mask_function", "bool");
    array_release(&x);
    return marks;
}

static bool mask_tile(const tile_functions *f, const attn_tile *t, attn_tile_kept *kept)
{
    PyObject *place = describe(f, &f->mask, t);
    PyObject *returned = place ? PyObject_CallFunctionObjArgs(f->mask.function, place, NULL) : NULL;
    Py_XDECREF(place);
    bool done = returned && read_kept(returned, t, kept);
    Py_XDECREF(returned);
    return done;
}

/* With the interpreter's lock: the first exception is kept, any later one is of the same call and dropped. */
static void keep_exception(tile_functions *f)
{
    if (f->raised) {
        PyErr_Clear();
        return;
    }
    PyErr_Fetch(&f->type, &f->value, &f->traceback);
    f->raised = true;
}

static void call_score(void *user, const attn_tile *tile)
{
    tile_functions *f = user;
    PyGILState_STATE state = PyGILState_Ensure();
    if (!f->raised && !score_tile(f, tile)) keep_exception(f);
    PyGILState_Release(state);
}

/* Once something was raised nothing is kept, so that the rest of the call costs little. */
static attn_tile_kept call_mask(void *user, const attn_tile *tile)
{
    tile_functions *f = user;
    attn_tile_kept kept = ATTN_TILE_NONE;
    PyGILState_STATE state = PyGILState_Ensure();
    if (!f->raised && !mask_tile(f, tile, &kept)) keep_exception(f);
    PyGILState_Release(state);
    return kept;
}

static bool is_address(PyObject *option)
{
    return PyLong_Check(PyTuple_GetItem(option, 0));
}

/* The address of a C function and that of its user data. */
static bool read_address(PyObject *option, void **function, void **user)
{
    *function = PyLong_AsVoidPtr(PyTuple_GetItem(option, 0));
    *user = PyErr_Occurred() ? NULL : PyLong_AsVoidPtr(PyTuple_GetItem(option, 1));
    return !PyErr_Occurred();
}

static tile_function read_function(PyObject *option)
{
    PyObject *derivative = PyTuple_GetItem(option, 1);
    return (tile_function){.function = PyTuple_GetItem(option, 0),
                           .derivative = derivative == Py_None ? NULL : derivative,
                           .tile = PyTuple_GetItem(option, 2)};
}

bool tile_functions_open(tile_functions *f, attn_desc *d, PyObject *like, PyObject *score, PyObject *mask)
{
    void *function;
    f->like = like;
    if (score != Py_None && is_address(score)) {
        if (!read_address(score, &function, &d->score_user)) return false;
        d->score_function = (attn_score_function)function;
    } else if (score != Py_None) {
        f->score = read_function(score);
        d->score_function = call_score;
        d->score_user = f;
    }
    if (mask != Py_None && is_address(mask)) {
        if (!read_address(mask, &function, &d->mask_user)) return false;
        d->mask_function = (attn_mask_function)function;
    } else if (mask != Py_None) {
        f->mask = read_function(mask);
        d->mask_function = call_mask;
        d->mask_user = f;
    }
    return true;
}

void tile_functions_close(tile_functions *f)
{
    Py_CLEAR(f->type);
    Py_CLEAR(f->value);
    Py_CLEAR(f->traceback);
}

bool tile_functions_differentiable(const tile_functions *f)
{
    if (!f->score.function || f->score.derivative) return true;
    PyErr_SetString(PyExc_ValueError,
                    "score_function: expected a ScoreFunction with its derivative for a backward pass");
    return false;
}

bool tile_functions_raise(tile_functions *f)
{
    if (!f->raised) return false;
    PyErr_Restore(f->type, f->value, f->traceback);
    f->type = f->value = f->traceback = NULL;
    return true;
}
