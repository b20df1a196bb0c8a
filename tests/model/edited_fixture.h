/* A model's directory with one edit of its config.json. */
#ifndef TESTS_EDITED_FIXTURE_H
#define TESTS_EDITED_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* `old` becomes `new`, of any length, in what was read of `from` and goes to `to`, which may be the same. */
static inline void edit_config(const char *from, const char *to, const char *old, const char *new)
{
    char path[600], text[4096];
    snprintf(path, sizeof path, "%s/config.json", from);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t size = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[size] = '\0';
    char *at = strstr(text, old);
    assert_non_null(at);
    snprintf(path, sizeof path, "%s/config.json", to);
    f = fopen(path, "wb");
    assert_non_null(f);
    fprintf(f, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
    fclose(f);
}

/* The same in a copy of a fixture, whose weights are the fixture's. */
static inline void edit_fixture(const char *fixture, const char *folder, const char *old, const char *new)
{
    char path[600], weights[600];
    edit_config(fixture, folder, old, new);
    snprintf(weights, sizeof weights, "%s/model.safetensors", fixture);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    unlink(path);
    assert_int_equal(symlink(weights, path), 0);
}

#endif
