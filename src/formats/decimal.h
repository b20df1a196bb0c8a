/* Numbers as text in files: with a point, whatever decimal sign the process's locale has. */
#ifndef FORMATS_DECIMAL_H
#define FORMATS_DECIMAL_H

#include <stddef.h>

/* 17 significant digits, from which decimal_read gives the same number again; "inf" and "nan" too. At most 24 bytes and
 * a NUL; what does not fit is cut. */
void decimal_write(char *text, size_t size, double value);

/* As strtod in the C locale. */
double decimal_read(const char *text, char **end);

#endif
