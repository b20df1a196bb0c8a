#include "workspace.h"

#include "attn/attn.h"

#include <pthread.h>
#include <stdlib.h>

enum { KEPT = 32 << 20 }; /* bytes a thread keeps at most */

typedef struct workspace {
    size_t size;
    void *data;
    bool taken;
    struct workspace *outer; /* of the call that this one is made within, by a function of the caller's; or NULL */
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
    own->data = NULL;
    own->size = 0;
}

/* The one for a call within the call that has `outer`. */
static workspace *open_inner(workspace *outer)
{
    workspace *own = calloc(1, sizeof *own);
    if (!own || pthread_setspecific(key, own) != 0) {
        free(own);
        return NULL;
    }
    own->outer = outer;
    return own;
}

static void close_inner(workspace *own)
{
    forget(own);
    pthread_setspecific(key, own->outer);
    free(own);
}

static bool grow(workspace *own, size_t size)
{
    if (own->data && own->size >= size) return true;
    forget(own);
    size = size / ATTN_ALIGNMENT * ATTN_ALIGNMENT + ATTN_ALIGNMENT; /* more than 0, whole lines */
    own->data = aligned_alloc(ATTN_ALIGNMENT, size);
    own->size = own->data ? size : 0;
    return own->data;
}

void *workspace_take(size_t size)
{
    workspace *own = of_thread();
    if (own && own->taken) own = open_inner(own);
    if (!own) return NULL;
    own->taken = size <= SIZE_MAX - 2 * ATTN_ALIGNMENT && grow(own, size);
    if (own->taken) return own->data;
    if (own->outer) close_inner(own);
    return NULL;
}

void workspace_done(void)
{
    workspace *own = pthread_getspecific(key);
    if (own->outer) {
        close_inner(own);
        return;
    }
    own->taken = false;
    if (own->size > KEPT) forget(own);
}
