/* The operator's workspace: each thread keeps its last one, so that a small call need not ask the system for memory. */
#ifndef PYTHON_WORKSPACE_H
#define PYTHON_WORKSPACE_H

#include <stdbool.h>
#include <stddef.h>

/* Call once, before the others. */
bool workspace_register(void);

/* At least size bytes, aligned to ATTN_ALIGNMENT, until the thread's next call; NULL where there is no memory. */
void *workspace_take(size_t size);

/* Gives back to the system what is too large to keep. */
void workspace_done(void);

#endif
