/* The numbers and names that a training run is described by: what the caller said, filled up from the checkpoint's or
 * the defaults, checked, and kept in the next checkpoint. One table says all that there is to know about each. */
#ifndef TRAIN_SETTINGS_H
#define TRAIN_SETTINGS_H

#include "attn/seq.h"
#include "model/weight_format.h"

typedef enum setting_kind { SETTING_INTEGER, SETTING_NUMBER, SETTING_TEXT } setting_kind;

typedef struct setting {
    const char *name; /* the field's */
    size_t offset;    /* in attn_seq_train_options */
    bool later;       /* checkpoints from before it was there lack it: their runs did what `standard` says */
    setting_kind kind;
    bool fixed; /* cannot change when a run is resumed */
    bool limit; /* ends the run: saying any of these says all of them */
    double standard, least, most;
} setting;

/* A default of one kind of training. */
typedef struct setting_default {
    const char *name; /* a setting's; NULL ends a list */
    double value;
} setting_default;

extern const setting setting_table[];
extern const int setting_count;

/* What a setting's value is called in a checkpoint and in a message, "" when it was not said; text holds at least 4096
 * bytes. */
void setting_write(const setting *s, const attn_seq_train_options *o, char *text, size_t size);

/* Gives a setting that was not said the value that setting_write wrote, or where `written` is NULL, its standard if it
 * came later than some checkpoints; FORMAT when there is none, ARGUMENT when a fixed setting was said and is another. A
 * text is copied into *owned, freed by the caller. */
attn_status setting_adopt(const setting *s, attn_seq_train_options *o, const char *written, const char *path,
                          char **owned);

/* A number's value where none was said. */
void setting_prefer(attn_seq_train_options *o, const char *name, double value);

/* A number that the model of o->from fixes: ARGUMENT where another one was said. */
attn_status setting_fix(attn_seq_train_options *o, const char *name, double value);

/* Refuses any of the named settings (NULL ends them) that was said: they mean nothing for `what`. */
attn_status settings_refuse(const attn_seq_train_options *o, const char *const *names, const char *what);

/* What complete settings say of the saved weights. */
weight_format settings_weight_format(const attn_seq_train_options *o);

/* Whether epochs, steps or minutes were said. */
bool settings_say_limit(const attn_seq_train_options *o);

/* Gives every setting that is still not said its default, the list's (which may be NULL) before the table's, and checks
 * them all. learns_from: what `train` is expected to name. */
attn_status settings_complete(attn_seq_train_options *o, const setting_default *defaults, const char *learns_from);

#endif
