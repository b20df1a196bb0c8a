/* Double backward on bf16 and fp16. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "second_in_type.h"

#include "base/number_format.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static attn_dtype type_of(uint64_t seed)
{
    return seed % 2 ? ATTN_DTYPE_BF16 : ATTN_DTYPE_FP16;
}

static float from_type(attn_dtype type, uint16_t x)
{
    return type == ATTN_DTYPE_BF16 ? bf16_to_float(x) : fp16_to_float(x);
}

static void gradients_are_fp32_s_rounded(void **state)
{
    (void)state;
    for (uint64_t seed = 7000; seed < 7060; seed++) {
        call_options o = second_call_options(seed);
        o.type = type_of(seed / 3);
        second_in_type_check_call(&o, seed);
    }
}

static void empty_sizes_have_gradients(void **state)
{
    (void)state;
    const int64_t sizes[][5] = {{0, 3, 3, 4, 4}, {2, 0, 5, 4, 4}, {2, 5, 0, 4, 4},  {1, 5, 7, 0, 4},
                                {1, 5, 7, 4, 0}, {1, 1, 1, 1, 1}, {1, 65, 65, 1, 3}};
    for (uint64_t n = 0; n < 2 * sizeof sizes / sizeof sizes[0]; n++) {
        const int64_t *size = sizes[n / 2];
        call_options o = {.B = size[0], .H = 2, .HK = 1, .T = size[1], .S = size[2], .D = size[3], .DV = size[4]};
        o.sigma = 1, o.threads = 1, o.type = type_of(n);
        second_in_type_check_call(&o, 7101);
    }
}

static void bits_are_the_same_on_any_threads(void **state)
{
    (void)state;
    for (uint64_t seed = 7200; seed < 7204; seed++) {
        call_options o = second_call_options(seed);
        o.type = type_of(seed), o.threads = 1;
        if (seed < 7202) o.B = o.H = o.HK = 1, o.T = 300, o.S = 600, o.D = 9, o.DV = 5;
        second_call *s = second_call_create(&o, seed, true);
        second_in_type x = second_in_type_create(s);
        second_in_type_run(&x);
        uint16_t *once[4];
        for (int n = 0; n < 4; n++) {
            once[n] = malloc(s->sizes[n] * sizeof *once[n]);
            memcpy(once[n], x.outputs[n], s->sizes[n] * sizeof *once[n]);
        }
        for (int threads = 2; threads <= 8; threads += 3) {
            x.d.parallel.threads = threads;
            second_in_type_run(&x);
            for (int n = 0; n < 4; n++) assert_memory_equal(once[n], x.outputs[n], s->sizes[n] * sizeof *once[n]);
        }
        for (int n = 0; n < 4; n++) free(once[n]);
        second_in_type_destroy(&x);
        second_call_destroy(s);
    }
}

enum { B = 3, H = 4, HK = 2, ROWS = 50, D = 24, DV = 8 };

/* Rows `first` and on of an array in which sequences are packed. */
static attn_view from_row(attn_view view, int64_t first)
{
    return (attn_view){(const uint16_t *)view.data + first * view.row, 0, view.head, view.row};
}

static void alone(const second_in_type *x, int64_t first, int64_t count)
{
    attn_desc d = x->d;
    attn_second_order second = x->second;
    d.T = d.S = count;
    attn_view *views[] = {&d.q, &d.k, &d.v, &d.grad_o, &second.by_grad_q, &second.by_grad_k, &second.by_grad_v};
    for (size_t n = 0; n < sizeof views / sizeof views[0]; n++) *views[n] = from_row(*views[n], first);
    attn_output *outputs[] = {&d.o, &second.grad_q, &second.grad_k, &second.grad_v, &second.grad_grad_o};
    for (size_t n = 0; n < sizeof outputs / sizeof outputs[0]; n++)
        outputs[n]->data = (uint16_t *)outputs[n]->data + first * outputs[n]->row;
    d.lse.data = (float *)d.lse.data + first * d.lse.row;
    second_in_type one = {.s = x->s, .d = d, .second = second};
    size_t bytes;
    assert_int_equal(attn_double_backward_workspace_size(&one.d, &one.second, &bytes), ATTN_OK);
    void *workspace = aligned_alloc(ATTN_ALIGNMENT, (bytes / ATTN_ALIGNMENT + 1) * ATTN_ALIGNMENT);
    if (attn_double_backward(&one.d, &one.second, workspace, bytes)) fail_msg("%s", attn_error());
    free(workspace);
}

/* Three sequences packed in arrays of one: each as it is alone, rows of nobody as they were. */
static void packed_sequences_are_found(void **state)
{
    (void)state;
    const int64_t starts[] = {1, 20, 20, 47};
    for (uint64_t seed = 7300; seed < 7302; seed++) {
        call_options o = {.B = 1, .H = H, .HK = HK, .T = ROWS, .S = ROWS, .D = D, .DV = DV, .sigma = 1, .threads = 2};
        o.type = type_of(seed);
        second_call *s = second_call_create(&o, seed, true);
        second_in_type x = second_in_type_create(s);
        uint16_t *together[4];
        x.d.B = B, x.d.query_starts = x.d.key_starts = starts;
        second_in_type_run(&x);
        for (int n = 0; n < 4; n++) {
            together[n] = x.outputs[n];
            x.outputs[n] = malloc(s->sizes[n] * sizeof *x.outputs[n]);
            for (size_t k = 0; k < s->sizes[n]; k++) x.outputs[n][k] = together[n][0]; /* a guard's poison */
        }
        x.d.B = 1, x.d.query_starts = x.d.key_starts = NULL;
        x.second.grad_q.data = x.outputs[0] + GUARD, x.second.grad_k.data = x.outputs[1] + GUARD;
        x.second.grad_v.data = x.outputs[2] + GUARD, x.second.grad_grad_o.data = x.outputs[3] + GUARD;
        for (int b = 0; b < B; b++) alone(&x, starts[b], starts[b + 1] - starts[b]);
        for (int n = 0; n < 4; n++) {
            assert_memory_equal(together[n], x.outputs[n], s->sizes[n] * sizeof *together[n]);
            free(together[n]);
        }
        second_in_type_destroy(&x);
        second_call_destroy(s);
    }
}

enum { LENGTH = 96, WIDTH = 32 };

typedef float matrix[LENGTH * LENGTH];

static float dot(const float *a, const float *b)
{
    float sum = 0;
    for (int64_t n = 0; n < WIDTH; n++) sum += a[n] * b[n];
    return sum;
}

static void add(float *out, float factor, const float *row)
{
    for (int64_t n = 0; n < WIDTH; n++) out[n] += factor * row[n];
}

static const float *row_of(const attn_view *view, int64_t n)
{
    return (const float *)view->data + n * view->row;
}

/* What anyone would write in the type: each matrix is rounded to it before it goes into the next step. */
static void plain_double_backward(const second_call *s, float *grads[4])
{
    static matrix p, a, e, r;
    const attn_desc *d = &s->c->desc;
    const attn_second_order *second = &s->second;
    const attn_dtype type = s->c->options.type;
    const attn_view o = {d->o.data, 0, 0, d->o.row};
    for (int64_t i = 0; i < LENGTH; i++) {
        const float *q = row_of(&d->q, i), *go = row_of(&d->grad_o, i), *u = row_of(&second->by_grad_q, i);
        const float delta = dot(go, row_of(&o, i)), lse = ((const float *)d->lse.data)[i * d->lse.row];
        float rho = 0, sigma = 0;
        for (int64_t j = 0; j < LENGTH; j++) {
            const int64_t at = i * LENGTH + j;
            const float *k = row_of(&d->k, j), *w = row_of(&second->by_grad_k, j);
            p[at] = round_to_type(type, expf(d->scale * dot(q, k) - lse));
            a[at] = round_to_type(type, dot(go, row_of(&d->v, j)));
            e[at] = round_to_type(type, dot(go, row_of(&second->by_grad_v, j)));
            r[at] = round_to_type(type, d->scale * (dot(u, k) + dot(q, w)));
            rho += p[at] * r[at];
            sigma += p[at] * (a[at] * r[at] + e[at]);
        }
        sigma -= 2 * delta * rho;
        for (int64_t j = 0; j < LENGTH; j++) {
            const int64_t at = i * LENGTH + j;
            const float by_a = round_to_type(type, p[at] * (r[at] - rho));
            const float ds = round_to_type(type, d->scale * p[at] * (a[at] - delta));
            const float by_s =
                round_to_type(type, d->scale * p[at] * ((a[at] - delta) * r[at] + e[at] - rho * a[at] - sigma));
            add(grads[0] + i * WIDTH, by_s, row_of(&d->k, j)),
                add(grads[0] + i * WIDTH, ds, row_of(&second->by_grad_k, j));
            add(grads[1] + j * WIDTH, by_s, q), add(grads[1] + j * WIDTH, ds, u);
            add(grads[2] + j * WIDTH, by_a, go);
            add(grads[3] + i * WIDTH, by_a, row_of(&d->v, j));
            add(grads[3] + i * WIDTH, p[at], row_of(&second->by_grad_v, j));
        }
    }
}

static void errs_no_more_than_three_times_the_plain_way(void **state)
{
    (void)state;
    static float plain[4][LENGTH * WIDTH];
    static const char *const names[] = {"by Q", "by K", "by V", "by dO"};
    for (uint64_t seed = 7400; seed < 7404; seed++) {
        call_options o = {.B = 1, .H = 1, .HK = 1, .T = LENGTH, .S = LENGTH, .D = WIDTH, .DV = WIDTH, .sigma = 1};
        o.threads = 1, o.type = type_of(seed);
        second_call *s = second_call_create(&o, seed, true);
        second_in_type x = second_in_type_create(s);
        memset(plain, 0, sizeof plain);
        plain_double_backward(s, (float *[]){plain[0], plain[1], plain[2], plain[3]});
        second_in_type_run(&x);
        dense_second want = dense_second_create(&s->c->reference, &s->second);
        dense_second_backward(&want);
        const double *wanted[] = {want.grad_q, want.grad_k, want.grad_v, want.grad_grad_o};
        const int64_t rows[] = {x.second.grad_q.row, x.second.grad_k.row, x.second.grad_v.row,
                                x.second.grad_grad_o.row};
        for (int n = 0; n < 4; n++) {
            double ours = 0, theirs = 0;
            for (int64_t k = 0; k < LENGTH * WIDTH; k++) {
                const uint16_t got = x.outputs[n][GUARD + k / WIDTH * rows[n] + k % WIDTH];
                const double off = fabs(from_type(o.type, got) - wanted[n][k]);
                if (!(off <= ours)) ours = off; /* a NaN counts */
                theirs = fmax(theirs, fabs(round_to_type(o.type, plain[n][k]) - wanted[n][k]));
            }
            print_message("type %d, %s: off by %.3g, the plain way by %.3g\n", (int)o.type, names[n], ours, theirs);
            if (!(ours <= 3 * theirs)) fail_msg("%s is off by more than three times the plain way", names[n]);
        }
        dense_second_destroy(&want);
        second_in_type_destroy(&x);
        second_call_destroy(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_fp32_s_rounded),
        cmocka_unit_test(empty_sizes_have_gradients),
        cmocka_unit_test(bits_are_the_same_on_any_threads),
        cmocka_unit_test(packed_sequences_are_found),
        cmocka_unit_test(errs_no_more_than_three_times_the_plain_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
