/* Where models are looked for when no path is given. The library asks where it lies itself, so that a build tree (whose
 * share/attn/models points at the source's models) and an installation, moved or not, are found by the same rule. */
#define _GNU_SOURCE /* dladdr */
#include "attn/seq.h"

#include "base/status.h"
#include "model/architecture.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct path_list {
    char **items;
    size_t count, capacity;
} path_list;

static void path_list_clear(path_list *p)
{
    for (size_t i = 0; i < p->count; i++) free(p->items[i]);
    free(p->items);
}

/* Takes `path` over; false when memory is short, path NULL included. */
static bool path_list_add(path_list *p, char *path)
{
    if (path && p->count == p->capacity) {
        size_t capacity = p->capacity ? p->capacity * 2 : 8;
        char **grown = realloc(p->items, capacity * sizeof *grown);
        if (grown) {
            p->items = grown;
            p->capacity = capacity;
        }
    }
    if (!path || p->count == p->capacity) {
        free(path);
        return false;
    }
    p->items[p->count++] = path;
    return true;
}

static char *join(const char *directory, size_t length, const char *name)
{
    char *path;
    return asprintf(&path, "%.*s/%s", (int)length, directory, name) < 0 ? NULL : path;
}

static bool is_model(const char *directory)
{
    char *config = join(directory, strlen(directory), "config.json");
    bool found = config && access(config, R_OK) == 0;
    free(config);
    return found;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Adds the models in one directory, by name; one that does not exist holds none. */
static bool add_models(path_list *models, const char *directory)
{
    DIR *d = opendir(directory);
    if (!d) return true;
    size_t first = models->count;
    bool good = true;
    for (struct dirent *e; good && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        char *path = join(directory, strlen(directory), e->d_name);
        if (path && !is_model(path))
            free(path);
        else
            good = path_list_add(models, path);
    }
    closedir(d);
    if (models->count > first) qsort(models->items + first, models->count - first, sizeof *models->items, by_name);
    return good;
}

static bool is_same(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* As path_list_add, but for one that is there already, under whatever name. */
static bool add_place(path_list *places, char *path)
{
    for (size_t i = 0; path && i < places->count; i++) {
        if (!is_same(path, places->items[i])) continue;
        free(path);
        return true;
    }
    return path_list_add(places, path);
}

/* The directories that may hold models. */
static bool add_places(path_list *places)
{
    const char *list = getenv("ATTN_MODELS");
    while (list && *list) {
        size_t length = strcspn(list, ":");
        if (length && !add_place(places, strndup(list, length))) return false;
        list += length + (list[length] == ':');
    }
    Dl_info here;
    static const char anchor; /* an address in this library */
    if (!dladdr(&anchor, &here) || !here.dli_fname) return true;
    const char *slash = strrchr(here.dli_fname, '/');
    size_t length = slash ? (size_t)(slash - here.dli_fname) : 1;
    const char *directory = slash ? here.dli_fname : ".";
    /* lib/libattnseq.so, and lib/x86_64-linux-gnu/libattnseq.so */
    const char *const beside[] = {"../share/attn/models", "../../share/attn/models"};
    for (int i = 0; i < 2; i++) {
        char *path = join(directory, length, beside[i]);
        char *straight = path ? realpath(path, NULL) : NULL;
        bool exists = straight || i == 0; /* the usual place is named even if there is nothing */
        if (straight) free(path);
        path = straight ? straight : path;
        if (!exists)
            free(path);
        else if (!add_place(places, path))
            return false;
    }
    return true;
}

static attn_status find_all(path_list *models, path_list *places)
{
    bool good = add_places(places);
    for (size_t i = 0; i < places->count && good; i++) good = add_models(models, places->items[i]);
    return good ? ATTN_OK : status_fail(ATTN_ERROR_MEMORY, "no memory for the list of models");
}

/* One block: the pointers, then the texts. */
static char **pack(const path_list *p)
{
    size_t bytes = (p->count + 1) * sizeof(char *);
    for (size_t i = 0; i < p->count; i++) bytes += strlen(p->items[i]) + 1;
    char **packed = malloc(bytes);
    if (!packed) return NULL;
    char *text = (char *)(packed + p->count + 1);
    for (size_t i = 0; i < p->count; i++) {
        packed[i] = text;
        text = stpcpy(text, p->items[i]) + 1;
    }
    packed[p->count] = NULL;
    return packed;
}

attn_status attn_seq_models_list(char ***directories)
{
    if (!directories) return status_fail(ATTN_ERROR_ARGUMENT, "directories is NULL");
    path_list models = {0}, places = {0};
    attn_status status = find_all(&models, &places);
    *directories = status ? NULL : pack(&models);
    if (!status && !*directories) status = status_fail(ATTN_ERROR_MEMORY, "no memory for the list of models");
    path_list_clear(&models);
    path_list_clear(&places);
    return status;
}

static attn_status none_found(const char *name, attn_seq_task task, const path_list *places)
{
    char looked[700] = "";
    size_t used = 0;
    for (size_t i = 0; i < places->count && used < sizeof looked; i++) {
        int n = snprintf(looked + used, sizeof looked - used, "%s%s", i ? ", " : "", places->items[i]);
        used += (size_t)(n > 0 ? n : 0);
    }
    if (!name && task == ATTN_SEQ_TASK_ANY) return status_fail(ATTN_ERROR_FILE, "no model is installed in %s", looked);
    if (!name)
        return status_fail(ATTN_ERROR_FILE, "no model that %s is installed in %s", architecture_task_words(task),
                           looked);
    return status_fail(ATTN_ERROR_FILE,
                       "%s: no model: expected a directory with a config.json, or the name of a model in %s", name,
                       looked);
}

attn_status attn_seq_model_task(const char *directory, attn_seq_task *task)
{
    if (!directory || !task) return status_fail(ATTN_ERROR_ARGUMENT, "directory or task is NULL");
    const architecture *a;
    attn_status status = architecture_read(&a, directory);
    if (status == ATTN_OK) *task = a->task;
    return status;
}

/* Nobody asked for this one by name: what cannot be read is passed over. */
static bool serves(const char *directory, attn_seq_task task)
{
    attn_seq_task own;
    return task == ATTN_SEQ_TASK_ANY || (attn_seq_model_task(directory, &own) == ATTN_OK && own == task);
}

static attn_status check_task(const char *directory, attn_seq_task task)
{
    const architecture *a;
    attn_status status = task == ATTN_SEQ_TASK_ANY ? ATTN_OK : architecture_read(&a, directory);
    return status || task == ATTN_SEQ_TASK_ANY ? status : architecture_expect(a, directory, task);
}

static const char *choose(const char *name, attn_seq_task task, const path_list *models)
{
    if (name && is_model(name)) return name;
    for (size_t i = 0; i < models->count; i++) {
        const char *own = strrchr(models->items[i], '/') + 1;
        if (name ? !strcmp(own, name) : serves(models->items[i], task)) return models->items[i];
    }
    return NULL;
}

attn_status attn_seq_model_find(const char *name, attn_seq_task task, char **directory)
{
    if (!directory) return status_fail(ATTN_ERROR_ARGUMENT, "directory is NULL");
    *directory = NULL;
    if (task < ATTN_SEQ_TASK_ANY || task > ATTN_SEQ_TASK_CLASSIFY_AUDIO)
        return status_fail(ATTN_ERROR_ARGUMENT, "task %d, expected -1 to %d", (int)task, ATTN_SEQ_TASK_CLASSIFY_AUDIO);
    path_list models = {0}, places = {0};
    attn_status status = find_all(&models, &places);
    const char *found = status ? NULL : choose(name, task, &models);
    if (!status && !found) status = none_found(name, task, &places);
    if (!status && name) status = check_task(found, task);
    if (!status && !(*directory = strdup(found))) status = status_fail(ATTN_ERROR_MEMORY, "no memory for a path");
    path_list_clear(&models);
    path_list_clear(&places);
    return status;
}
