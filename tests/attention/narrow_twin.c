#include "narrow_twin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static attn_output make_gradient(narrow_twin *t, int n)
{
    const call_output *wide = &t->c->outputs[n];
    t->gradients[n] = malloc(wide->size * sizeof(uint16_t));
    for (size_t k = 0; k < wide->size; k++) t->gradients[n][k] = POISON;
    attn_output view = wide->view;
    view.data = t->gradients[n] + GUARD;
    return view;
}

narrow_twin narrow_twin_create(const call_options *options, uint64_t seed)
{
    narrow_twin t = {.c = call_create(options, seed)};
    attn_desc *d = &t.c->desc;
    const attn_dtype type = options->type;
    const int64_t count = d->B * d->H * d->T * d->DV;
    float *o = d->o.data;
    t.o = malloc((size_t)count * sizeof *t.o + 1);
    for (int64_t n = 0; n < count; n++) {
        t.o[n] = narrow_of(type, o[n]);
        o[n] = float_of(type, t.o[n]);
    }
    t.d = call_in_type(t.c);
    t.d.o.data = t.o;
    t.d.grad_q = make_gradient(&t, 0);
    t.d.grad_k = make_gradient(&t, 1);
    t.d.grad_v = make_gradient(&t, 2);
    return t;
}

void narrow_twin_destroy(narrow_twin *t)
{
    for (int n = 0; n < NARROW; n++) free(t->gradients[n]);
    free(t->o);
    call_destroy(t->c);
}

void narrow_backward(const attn_desc *d, uint64_t seed)
{
    size_t bytes = 0;
    if (attn_backward_workspace_size(d, &bytes)) fail_msg("seed %llu: %s", (unsigned long long)seed, attn_error());
    unsigned char *workspace = aligned_alloc(ATTN_ALIGNMENT, (bytes + 127) / 64 * 64);
    memset(workspace, 0xfe, bytes + 1);
    if (attn_backward(d, workspace, bytes)) fail_msg("seed %llu: %s", (unsigned long long)seed, attn_error());
    assert_int_equal(workspace[bytes], 0xfe);
    free(workspace);
}
