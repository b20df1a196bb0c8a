/* Finds out before the work that its result could not be written after it. */
#ifndef CLI_WRITABLE_H
#define CLI_WRITABLE_H

/* 0 where a file may be made or replaced at `path`; else 1 after telling, as `attn COMMAND`, why not. */
int writable_check(const char *command, const char *path);

#endif
