#include "workspace.h"

#include "attn/attn.h"

#include <pthread.h>
#include <stdlib.h>

enum { KEPT = 32 << 20 }; /* bytes a thread keeps at most */

typedef struct workspace {
    size_t size;
    void *data;
} workspace;

static pthread_key_t key;

static void destroy(void *kept)
{
    free(((workspace *)kept)->data);
    free(kept);
}

bool workspace_register(void)
{
    return pthread_key_create(&key, destroy) == 0;
}

static workspace *of_thread(void)
{
    workspace *own = pthread_getspecific(key);
    if (own) return own;
    own = calloc(1, sizeof *own);
    if (own && pthread_setspecific(key, own) != 0) {
        free(own);
        return NULL;
    }
    return own;
}

static void forget(workspace *own)
{
    free(own->data);
    *own = (workspace){0};
}

void *workspace_take(size_t size)
{
    workspace *own = of_thread();
    if (!own || size > SIZE_MAX - 2 * ATTN_ALIGNMENT) return NULL;
    if (own->data && own->size >= size) return own->data;
    forget(own);
    size = size / ATTN_ALIGNMENT * ATTN_ALIGNMENT + ATTN_ALIGNMENT; /* more than 0, whole lines */
    own->data = aligned_alloc(ATTN_ALIGNMENT, size);
    own->size = own->data ? size : 0;
    return own->data;
}

void workspace_done(void)
{
    workspace *own = pthread_getspecific(key);
    if (own && own->size > KEPT) forget(own);
}
