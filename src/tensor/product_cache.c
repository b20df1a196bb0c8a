#include "tensor/product_cache.h"

#include "base/fnv.h"
#include "base/status.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Sets of WAYS products; a new one takes the place of its set's least recently used. */
#define SETS 256
#define WAYS 8

static struct {
    pthread_mutex_t lock;
    cached_product *products[SETS][WAYS];
    uint64_t clock;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void destroy(cached_product *p)
{
    product_destroy(p->product);
    free(p);
}

/* The slot of `key` in its set, or the one to put it in. Under the lock. */
static cached_product **find_slot(const product_key *key)
{
    cached_product **set = cache.products[fnv_hash(FNV_EMPTY, key, sizeof *key) % SETS], **oldest = &set[0];
    for (int way = 0; way < WAYS; way++) {
        if (!set[way]) return &set[way];
        if (memcmp(&set[way]->key, key, sizeof *key) == 0) return &set[way];
        if (set[way]->last_use < (*oldest)->last_use) oldest = &set[way];
    }
    return oldest;
}

static attn_status create(cached_product **out, const product_key *key, const dense_packed *packed)
{
    cached_product *p = calloc(1, sizeof *p);
    if (!p) return status_fail(ATTN_ERROR_MEMORY, "no memory for a product");
    p->key = *key;
    attn_status s = product_compile(&p->product, key, packed);
    if (s != ATTN_OK) {
        destroy(p);
        return s;
    }
    p->users = 1;
    *out = p;
    return ATTN_OK;
}

/* Under the lock. */
static attn_status acquire(cached_product **out, const product_key *key, const dense_packed *packed)
{
    cached_product **slot = find_slot(key);
    if (!*slot || memcmp(&(*slot)->key, key, sizeof *key) != 0) {
        cached_product *p = NULL;
        attn_status s = create(&p, key, packed);
        if (s != ATTN_OK) return s;
        if (*slot && --(*slot)->users == 0) destroy(*slot);
        *slot = p;
    }
    (*slot)->users++;
    (*slot)->last_use = ++cache.clock;
    *out = *slot;
    return ATTN_OK;
}

attn_status cached_product_acquire(cached_product **out, const product_key *key, const dense_packed *packed)
{
    pthread_mutex_lock(&cache.lock);
    attn_status s = acquire(out, key, packed);
    pthread_mutex_unlock(&cache.lock);
    return s;
}

void cached_product_release(cached_product *p)
{
    pthread_mutex_lock(&cache.lock);
    bool last = --p->users == 0;
    pthread_mutex_unlock(&cache.lock);
    if (last) destroy(p);
}
