#include "tensor/thread_scratch.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct scratch {
    size_t bytes[SCRATCHES];
    void *memory[SCRATCHES];
} scratch;

static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;

static void scratch_destroy(void *argument)
{
    scratch *s = argument;
    for (int i = 0; i < SCRATCHES; i++) free(s->memory[i]);
    free(s);
}

static void scratch_make_key(void)
{
    (void)pthread_key_create(&scratch_key, scratch_destroy);
}

void *thread_scratch(scratch_use which, size_t bytes)
{
    pthread_once(&scratch_once, scratch_make_key);
    scratch *s = pthread_getspecific(scratch_key);
    if (!s) {
        s = calloc(1, sizeof *s);
        if (!s || pthread_setspecific(scratch_key, s) != 0) {
            free(s);
            return NULL;
        }
    }
    if (s->bytes[which] >= bytes && s->memory[which]) return s->memory[which];
    free(s->memory[which]);
    s->bytes[which] = bytes ? (bytes + 4095) / 4096 * 4096 : 4096;
    s->memory[which] = aligned_alloc(4096, s->bytes[which]);
    if (!s->memory[which]) s->bytes[which] = 0;
    return s->memory[which];
}
