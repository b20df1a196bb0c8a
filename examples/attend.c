/* Attention forward and backward on four queries and six keys.
 *     cc attend.c $(pkg-config --cflags --libs attn) -o attend */
#include <attn/attn.h>
#include <stdio.h>
#include <stdlib.h>

enum { T = 4, S = 6, D = 8 };

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, attn_error());
    exit(1);
}

static void fill(float *array, int count, int seed)
{
    for (int i = 0; i < count; i++) array[i] = (float)((i * 37 + seed * 101) % 19) / 9 - 1;
}

static void *workspace_of(size_t size)
{
    void *workspace = aligned_alloc(ATTN_ALIGNMENT, size);
    if (!workspace && size > 0) {
        fputs("no memory\n", stderr);
        exit(1);
    }
    return workspace;
}

int main(void)
{
    float q[T * D], k[S * D], v[S * D], o[T * D], lse[T], weights[T * S];
    float grad_o[T * D], grad_q[T * D], grad_k[S * D], grad_v[S * D];
    fill(q, T * D, 1);
    fill(k, S * D, 2);
    fill(v, S * D, 3);
    fill(grad_o, T * D, 4);

    attn_desc desc;
    attn_desc_init(&desc, sizeof desc, 1, 1, 1, T, S, D, D);
    desc.q.data = q, desc.k.data = k, desc.v.data = v, desc.o.data = o, desc.lse.data = lse;
    desc.causal = true;
    desc.query_offset = S - T; /* the last query sees every key */

    size_t size;
    if (attn_forward_workspace_size(&desc, &size) != ATTN_OK) fail("attn_forward_workspace_size");
    void *workspace = workspace_of(size);
    if (attn_forward(&desc, workspace, size) != ATTN_OK) fail("attn_forward");
    free(workspace);

    desc.grad_o.data = grad_o, desc.grad_q.data = grad_q, desc.grad_k.data = grad_k, desc.grad_v.data = grad_v;
    if (attn_backward_workspace_size(&desc, &size) != ATTN_OK) fail("attn_backward_workspace_size");
    workspace = workspace_of(size);
    if (attn_backward(&desc, workspace, size) != ATTN_OK) fail("attn_backward");
    free(workspace);

    attn_output w = {weights, T * S, T * S, S};
    if (attn_weights(&desc, NULL, &w) != ATTN_OK) fail("attn_weights");
    puts("weights, a row for each query:");
    for (int i = 0; i < T; i++) {
        for (int j = 0; j < S; j++) printf(" %6.3f", weights[i * S + j]);
        printf("   log-sum-exp %7.3f\n", lse[i]);
    }
    printf("O[0]  = %7.4f %7.4f ...\ndQ[0] = %7.4f %7.4f ...\n", o[0], o[1], grad_q[0], grad_q[1]);
    return 0;
}
