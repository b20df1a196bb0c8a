#include "formats/decimal.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif

/* The thread's locale becomes C's; returns what it was. */
static locale_t enter_plain(locale_t *plain)
{
    *plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return uselocale(*plain);
}

static void leave_plain(locale_t plain, locale_t before)
{
    uselocale(before);
    if (plain) freelocale(plain);
}

void decimal_write(char *text, size_t size, double value)
{
    locale_t plain, before = enter_plain(&plain);
    snprintf(text, size, "%.17g", value);
    leave_plain(plain, before);
}

double decimal_read(const char *text, char **end)
{
    locale_t plain, before = enter_plain(&plain);
    const double value = strtod(text, end);
    leave_plain(plain, before);
    return value;
}
