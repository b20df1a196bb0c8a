#include "compared_parameters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

void expect_same_parameters(const parameters *saved, const parameters *opened)
{
    assert_int_equal(saved->count, opened->count);
    for (int64_t i = 0; i < saved->count; i++) {
        const parameter *a = &saved->items[i], *b = &opened->items[i];
        assert_string_equal(a->name, b->name);
        assert_memory_equal(a->tensor.value, b->tensor.value, (size_t)tensor_count(&a->tensor) * sizeof(float));
    }
}

/* A matrix's rows within half a step of their scales. */
static void expect_near(const char *name, const tensor *a, const tensor *b)
{
    const int64_t columns = a->rank == 2 ? a->shape[1] : 1, rows = tensor_count(a) / columns;
    for (int64_t r = 0; r < rows; r++) {
        float largest = 0;
        for (int64_t c = 0; c < columns; c++) largest = fmaxf(largest, fabsf(a->value[r * columns + c]));
        const float bound = a->rank == 2 ? 0.51f * largest / 127 : 0;
        for (int64_t at = r * columns; at < (r + 1) * columns; at++)
            if (!(fabsf(a->value[at] - b->value[at]) <= bound))
                fail_msg("%s[%lld]: %g came back as %g", name, (long long)at, (double)a->value[at],
                         (double)b->value[at]);
    }
}

void expect_parameters_of_int8(const parameters *saved, const parameters *opened)
{
    assert_int_equal(saved->count, opened->count);
    for (int64_t i = 0; i < saved->count; i++) {
        const parameter *a = &saved->items[i], *b = &opened->items[i];
        assert_string_equal(a->name, b->name);
        expect_near(a->name, &a->tensor, &b->tensor);
        assert_int_equal(a->tensor.rank == 1, b->placed);
    }
}
