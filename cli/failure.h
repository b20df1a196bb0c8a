/* How a command says that it could not do its work: one line on standard error, exit status 1.
 * (Wrong usage is options_refuse's, exit status 2.) */
#ifndef CLI_FAILURE_H
#define CLI_FAILURE_H

/* Prints `attn COMMAND: message` and returns 1, so that a command reads `return failure("translate", "%s", ...)`. */
int failure(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same, with the message of this thread's last failed call into libattnseq (attn_seq_error). */
int failure_of_library(const char *command);

/* The same of a file that the user knows by another name than `path`, with which the message begins. */
int failure_of_library_about(const char *command, const char *path, const char *name);

/* An input that is named cannot be read. Where the name is several words it was meant as the text itself: says how that
 * is given. */
int failure_of_input(const char *command, const char *path, const char *why);

/* To be called right after printing: sends it on its way. Why that failed stdio does not keep; this does. */
void failure_flush_output(void);

/* Writes out what is left of standard output. 0, or 1 where it did not arrive whole, which is told of a full disk, but
 * not of a reader that has gone: it wanted no more. */
int failure_of_output(const char *command);

#endif
