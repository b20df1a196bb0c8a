/* Rows of 16-bit floats to fp32 and back, on every instruction set: every number there is, and nothing beside the rows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/number_format.h"
#include "base/random.h"
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

#define NUMBERS 65536
#define ROW 67 /* no multiple of any vector */
#define ROWS 5
#define GAP 3
#define MARK 0x5a

static uint16_t elements[NUMBERS];
static float floats[NUMBERS];

static const attn_dtype types[] = {ATTN_DTYPE_BF16, ATTN_DTYPE_FP16};

static float wide(attn_dtype type, uint16_t x)
{
    return type == ATTN_DTYPE_BF16 ? bf16_to_float(x) : fp16_to_float(x);
}

static uint16_t half(attn_dtype type, float x)
{
    return type == ATTN_DTYPE_BF16 ? bf16_of_float(x) : fp16_of_float(x);
}

static element_rows all_numbers(attn_dtype type)
{
    return (element_rows){.type = type,
                          .count = NUMBERS / 64,
                          .columns = 64,
                          .elements = elements,
                          .elements_row = 64,
                          .floats = floats,
                          .floats_row = 64};
}

static void every_number_becomes_fp32_and_itself_again(void **state)
{
    (void)state;
    for (int level = 0; level <= (int)cpu_detect()->found; level++)
        for (int t = 0; t < 2; t++) {
            kernel_table table;
            kernels_fill(&table, (cpu_level)level);
            for (int n = 0; n < NUMBERS; n++) elements[n] = (uint16_t)n;
            const element_rows rows = all_numbers(types[t]);
            table.widen_rows(&rows);
            for (int n = 0; n < NUMBERS; n++) {
                float want = wide(types[t], (uint16_t)n);
                if (isnan(want) ? !isnan(floats[n]) : memcmp(&floats[n], &want, sizeof want))
                    fail_msg("level %d, type %d: 0x%04x became %.9g", level, (int)types[t], n, floats[n]);
            }
            memset(elements, MARK, sizeof elements);
            table.narrow_rows(&rows);
            for (int n = 0; n < NUMBERS; n++) {
                bool nan = isnan(floats[n]);
                if (nan ? !isnan(wide(types[t], elements[n])) : elements[n] != n)
                    fail_msg("level %d, type %d: 0x%04x became 0x%04x", level, (int)types[t], n, elements[n]);
            }
        }
}

/* Ties, and numbers just beside them, at every exponent; then numbers of any bits. */
static float hard_number(uint64_t n)
{
    uint32_t bits = random_philox(71, n, 0).word[0];
    if (n % 4 == 0) bits &= 0xffff0000u;
    if (n % 4 == 1) bits = (bits & 0xffff0000u) | 0x8000;
    if (n % 4 == 2) bits = (bits & 0xffffe000u) | 0x1000; /* an fp16's tie */
    if (n % 16 == 5) bits ^= 1;
    if (n % 16 == 6) bits ^= 0x1fff;
    return float_of_bits(bits);
}

static void rounding_is_to_nearest_even(void **state)
{
    (void)state;
    for (int level = 0; level <= (int)cpu_detect()->found; level++)
        for (int t = 0; t < 2; t++) {
            kernel_table table;
            kernels_fill(&table, (cpu_level)level);
            for (int n = 0; n < NUMBERS; n++) floats[n] = hard_number((uint64_t)n);
            const element_rows rows = all_numbers(types[t]);
            table.narrow_rows(&rows);
            for (int n = 0; n < NUMBERS; n++)
                if (elements[n] != half(types[t], floats[n]))
                    fail_msg("level %d, type %d: %.9g became 0x%04x, expected 0x%04x", level, (int)types[t], floats[n],
                             elements[n], half(types[t], floats[n]));
        }
}

/* Rows of every length, with gaps that stay as they were. */
static void nothing_beside_the_rows_is_written(void **state)
{
    (void)state;
    static uint16_t narrow[ROWS * (ROW + GAP)];
    static float wider[ROWS * (ROW + 2 * GAP)];
    for (int level = 0; level <= (int)cpu_detect()->found; level++)
        for (int columns = 0; columns <= ROW; columns++) {
            kernel_table table;
            kernels_fill(&table, (cpu_level)level);
            element_rows rows = {ATTN_DTYPE_BF16, ROWS, columns, narrow, ROW + GAP, wider, ROW + 2 * GAP};
            for (int n = 0; n < ROWS * (ROW + GAP); n++) narrow[n] = (uint16_t)n;
            memset(wider, MARK, sizeof wider);
            table.widen_rows(&rows);
            for (int n = 0; n < ROWS * (ROW + 2 * GAP); n++) {
                int row = n / (ROW + 2 * GAP), c = n % (ROW + 2 * GAP);
                uint32_t untouched = 0x01010101u * MARK, bits = bits_of_float(wider[n]);
                assert_int_equal(bits, c < columns ? (uint32_t)(row * (ROW + GAP) + c) << 16 : untouched);
            }
            memset(narrow, MARK, sizeof narrow);
            table.narrow_rows(&rows);
            for (int n = 0; n < ROWS * (ROW + GAP); n++)
                assert_int_equal(narrow[n], n % (ROW + GAP) < columns ? n : 0x0101 * MARK);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_becomes_fp32_and_itself_again),
        cmocka_unit_test(rounding_is_to_nearest_even),
        cmocka_unit_test(nothing_beside_the_rows_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
