/* A JSON object from a file, read field by field. Every getter checks type and range; the first failure is kept, with a
 * message that names file, field, value and what was expected, and is returned by config_status: so that a reader lists
 * its fields one after the other and asks once at the end.
 *
 *     d->width = config_integer(c, "d_model", 1, 65536);
 *     d->dropout = config_number_or(c, "dropout", 0, 1, 0.1);
 *     attn_status status = config_status(c);
 *
 * The `_or` getters give the fallback where the field is absent or null. A field of the wrong type is never absent. */
#ifndef FORMATS_CONFIG_H
#define FORMATS_CONFIG_H

#include "attn/attn.h"

typedef struct config config;
struct json_t;

/* The file must hold one JSON object, in UTF-8, without duplicate names, of at most CONFIG_MOST_BYTES. */
#define CONFIG_MOST_BYTES ((size_t)1 << 26)
attn_status config_open(config **out, const char *path);

/* The same from memory; `name` stands for the path in messages. */
attn_status config_parse(config **out, const char *name, const char *text, size_t bytes);

/* An object that has been read already, jansson's json_t, of which a reference is kept. */
attn_status config_of_json(config **out, const char *name, const struct json_t *object);

void config_destroy(config *c);

/* The first failure since opening, ATTN_OK if none; its words are this thread's message again. */
attn_status config_status(const config *c);

/* Present and not null. */
bool config_has(const config *c, const char *field);

/* least <= value <= most; `least` (or the fallback) after a failure. */
int64_t config_integer(config *c, const char *field, int64_t least, int64_t most);
int64_t config_integer_or(config *c, const char *field, int64_t least, int64_t most, int64_t fallback);

/* Any JSON number, finite, least <= value <= most. */
double config_number_or(config *c, const char *field, double least, double most, double fallback);

/* An array of 1 to `room` such numbers, or one alone: how many there are; 0, and `numbers` partly written, where the
 * field is absent or wrong. */
int64_t config_numbers_or(config *c, const char *field, double least, double most, int64_t room, double *numbers);

/* The object within the field, to be read as the whole is, with which it shares its failure; valid until
 * config_destroy(c). NULL where there is none: absent, or not an object. */
config *config_object(config *c, const char *field);

bool config_bool_or(config *c, const char *field, bool fallback);

/* Valid until config_destroy; never NULL unless the fallback is. */
const char *config_string(config *c, const char *field);
const char *config_string_or(config *c, const char *field, const char *fallback);

/* The index of the string among `names` (NULL-terminated): an unknown one is a failure that lists them. */
int config_choice_or(config *c, const char *field, const char *const *names, int fallback);

/* Whether the field is an array that holds the string. */
bool config_lists(const config *c, const char *field, const char *text);

/* The field must be an object: how many values it has (1 to most), and one of them, a string; "" after a failure. */
int64_t config_object_count(config *c, const char *field, int64_t most);
const char *config_object_string(config *c, const char *field, const char *name);

/* An object whose every value is an integer, such as a vocabulary: calls each(argument, name, value) in no given order.
 * The names live until config_destroy.
 */
attn_status config_each_integer(config *c, int64_t least, int64_t most,
                                void (*each)(void *argument, const char *name, int64_t value), void *argument);
int64_t config_count(const config *c);

/* The document itself, for readers of nested ones; jansson's json_t. */
const struct json_t *config_root(const config *c);

/* For checks of one's own: keeps the failure "FILE: FIELD is VALUE, expected EXPECTATION". */
void config_refuse(config *c, attn_status status, const char *field, const char *expectation);

#endif
