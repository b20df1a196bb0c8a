/* Four sequences that go on from one prompt: its keys are kept once and read once for all of them.
 *     cc shared_prefix.c $(pkg-config --cflags --libs attn) -o shared_prefix
 * The prefix sees the queries of all sequences as those of one; each sequence's own keys see its query; attn_merge puts
 * the two together. The program compares that with one call on keys that were copied behind the prefix, and fails
 * where they differ. */
#include <attn/attn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { B = 4, H = 4, HK = 2, D = 16, PREFIX = 40, OWN = 8, ALL = PREFIX + OWN };

static float q[B][H][D], prefix_k[HK][PREFIX][D], prefix_v[HK][PREFIX][D], own_k[B][HK][OWN][D], own_v[B][HK][OWN][D];
static const int64_t own_lengths[B] = {8, 3, 0, 5};

static void fill(void *array, size_t bytes, unsigned seed)
{
    float *x = array;
    for (size_t i = 0; i < bytes / sizeof *x; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float)(seed >> 8) / (1 << 23) - 1;
    }
}

static void check(attn_status status)
{
    if (status == ATTN_OK) return;
    fprintf(stderr, "shared_prefix: %s\n", attn_error());
    exit(1);
}

static void forward(const attn_desc *desc)
{
    size_t size;
    check(attn_forward_workspace_size(desc, &size));
    void *workspace = aligned_alloc(ATTN_ALIGNMENT, size);
    if (!workspace) exit(1);
    check(attn_forward(desc, workspace, size));
    free(workspace);
}

/* O of the queries of all sequences over prefix and own keys, in two parts. */
static void attend_in_parts(float o[B][H][D])
{
    static float o_prefix[B][H][D], o_own[B][H][D], lse_prefix[B][H], lse_own[B][H];
    attn_desc desc;
    /* One sequence of B queries: the next query of a head stands a whole sequence further on. */
    attn_desc_init(&desc, sizeof desc, 1, H, HK, B, PREFIX, D, D);
    desc.q = (attn_view){q, 0, D, H * D};
    desc.k.data = prefix_k, desc.v.data = prefix_v;
    desc.o = (attn_output){o_prefix, 0, D, H * D};
    desc.lse = (attn_output){lse_prefix, 0, 1, H};
    forward(&desc);

    attn_desc_init(&desc, sizeof desc, B, H, HK, 1, OWN, D, D);
    desc.q.data = q, desc.k.data = own_k, desc.v.data = own_v, desc.o.data = o_own, desc.lse.data = lse_own;
    desc.key_lengths = own_lengths;
    forward(&desc);

    const attn_part parts[] = {
        {{o_prefix, H * D, D, D}, {lse_prefix, H, 1, 1}},
        {{o_own, H * D, D, D}, {lse_own, H, 1, 1}},
    };
    desc.o.data = o, desc.lse.data = NULL;
    check(attn_merge(&desc, parts, 2));
}

/* The same with every sequence's keys in one row behind a copy of the prefix. */
static void attend_at_once(float o[B][H][D])
{
    static float k[B][HK][ALL][D], v[B][HK][ALL][D];
    int64_t lengths[B];
    for (int b = 0; b < B; b++) {
        lengths[b] = PREFIX + own_lengths[b];
        for (int h = 0; h < HK; h++) {
            memcpy(k[b][h], prefix_k[h], sizeof prefix_k[h]), memcpy(k[b][h][PREFIX], own_k[b][h], sizeof own_k[b][h]);
            memcpy(v[b][h], prefix_v[h], sizeof prefix_v[h]), memcpy(v[b][h][PREFIX], own_v[b][h], sizeof own_v[b][h]);
        }
    }
    attn_desc desc;
    attn_desc_init(&desc, sizeof desc, B, H, HK, 1, ALL, D, D);
    desc.q.data = q, desc.k.data = k, desc.v.data = v, desc.o.data = o;
    desc.key_lengths = lengths;
    forward(&desc);
}

int main(void)
{
    static float parts[B][H][D], whole[B][H][D];
    fill(q, sizeof q, 1), fill(prefix_k, sizeof prefix_k, 2), fill(prefix_v, sizeof prefix_v, 3);
    fill(own_k, sizeof own_k, 4), fill(own_v, sizeof own_v, 5);
    attend_in_parts(parts);
    attend_at_once(whole);
    float most = 0;
    for (int n = 0; n < B * H * D; n++) {
        float difference = (&parts[0][0][0])[n] - (&whole[0][0][0])[n];
        if (difference < 0) difference = -difference;
        if (!(difference <= most)) most = difference;
    }
    printf("prefix of %d keys, %d sequences: the two ways differ by at most %.1e\n", PREFIX, B, (double)most);
    return !(most <= 1e-5f);
}
