/* The operator's workspace: each thread keeps its last one, so that a small call need not ask the system for memory. */
#ifndef PYTHON_WORKSPACE_H
#define PYTHON_WORKSPACE_H

#include <stdbool.h>
#include <stddef.h>

/* Call once, before the others. */
bool workspace_register(void);

/* At least size bytes, aligned to ATTN_ALIGNMENT, until workspace_done; NULL where there is no memory. A function of
 * the caller's that is called meanwhile may take another. */
void *workspace_take(size_t size);

/* Ends the use of what was taken last. */
void workspace_done(void);

#endif
