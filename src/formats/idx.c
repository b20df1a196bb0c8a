#include "formats/idx.h"

#include "base/checked.h"
#include "base/plural.h"
#include "base/status.h"
#include "formats/gzip_end.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define UNSIGNED_BYTES 8
#define PIECE ((int64_t)1 << 20)

/* The next `size` bytes of the file's part that `what` names, which has `whole` and of which `before` were read. */
static attn_status take(gzFile file, const char *path, const char *what, void *to, int64_t size, int64_t before,
                        int64_t whole)
{
    errno = 0;
    int64_t got = gzread(file, to, (unsigned)size);
    if (got == size) return ATTN_OK;
    int code = Z_OK;
    gzerror(file, &code);
    if (code == Z_ERRNO) return status_fail(ATTN_ERROR_FILE, "%s: cannot read: %s", path, strerror(errno));
    const int64_t held = before + (got < 0 ? 0 : got);
    return status_fail(ATTN_ERROR_FORMAT, "%s: damaged or cut short in its %s: %lld byte%s there, expected %lld", path,
                       what, (long long)held, plural(held), (long long)whole);
}

static attn_status read_shape(idx_array *a, gzFile file, const char *path)
{
    unsigned char head[4] = {0}, sizes[4 * IDX_MOST_RANK];
    attn_status status = take(file, path, "header", head, sizeof head, 0, sizeof head);
    if (status != ATTN_OK) return status;
    if (head[0] != 0 || head[1] != 0)
        return status_fail(ATTN_ERROR_FORMAT, "%s: begins with bytes %d %d, expected 0 0, as IDX files do", path,
                           head[0], head[1]);
    if (head[2] != UNSIGNED_BYTES)
        return status_fail(ATTN_ERROR_UNSUPPORTED, "%s: type of elements is 0x%02x, expected 0x08, unsigned bytes",
                           path, head[2]);
    if (head[3] < 1 || head[3] > IDX_MOST_RANK)
        return status_fail(ATTN_ERROR_FORMAT, "%s: rank is %d, expected 1 to %d", path, head[3], IDX_MOST_RANK);
    a->rank = head[3];
    status = take(file, path, "header", sizes, 4 * a->rank, sizeof head, (int64_t)sizeof head + 4 * a->rank);
    a->count = 1;
    for (int i = 0; i < a->rank && status == ATTN_OK; i++) {
        const unsigned char *s = sizes + 4 * i;
        a->shape[i] = (int64_t)s[0] << 24 | s[1] << 16 | s[2] << 8 | s[3];
        if (!checked_mul_i64(a->count, a->shape[i], &a->count) || a->count > IDX_MOST_ELEMENTS)
            return status_fail(ATTN_ERROR_FORMAT,
                               "%s: dimension %d is %lld, expected at most %lld elements in all dimensions together",
                               path, i, (long long)a->shape[i], (long long)IDX_MOST_ELEMENTS);
    }
    return status;
}

/* A gzip file's last bytes, its check sum, come behind the elements. */
static attn_status check_end(const idx_array *a, gzFile file, const char *path)
{
    unsigned char more;
    const int got = gzread(file, &more, 1);
    if (got > 0)
        return status_fail(ATTN_ERROR_FORMAT, "%s: goes on after its %lld element%s, expected its end", path,
                           (long long)a->count, plural(a->count));
    if (got == 0 && gzip_is_whole(file)) return ATTN_OK;
    return status_fail(ATTN_ERROR_FORMAT,
                       "%s: damaged or cut short behind its %lld element%s, where gzip's check sum is", path,
                       (long long)a->count, plural(a->count));
}

/* Room grows with what the file really holds. */
static attn_status read_elements(idx_array *a, gzFile file, const char *path)
{
    int64_t room = 0;
    for (int64_t at = 0; at < a->count || !a->values;) {
        if (at == room) {
            room = 2 * room + PIECE < a->count ? 2 * room + PIECE : a->count;
            uint8_t *larger = realloc(a->values, room ? (size_t)room : 1);
            if (!larger)
                return status_fail(ATTN_ERROR_MEMORY, "%s: no memory for %lld elements", path, (long long)room);
            a->values = larger;
        }
        int64_t size = room - at < PIECE ? room - at : PIECE;
        attn_status status = take(file, path, "elements", a->values + at, size, at, a->count);
        if (status != ATTN_OK) return status;
        at += size;
    }
    return check_end(a, file, path);
}

attn_status idx_read(idx_array *out, const char *path)
{
    memset(out, 0, sizeof *out);
    errno = 0;
    gzFile file = gzopen(path, "rb");
    if (!file) return status_fail(ATTN_ERROR_FILE, "%s: cannot read: %s", path, strerror(errno ? errno : ENOMEM));
    attn_status status = read_shape(out, file, path);
    if (status == ATTN_OK) status = read_elements(out, file, path);
    gzclose(file);
    if (status != ATTN_OK) idx_clear(out);
    return status;
}

static attn_status check_images(const idx_array *a, const char *path)
{
    static const char *const names[] = {"count", "height", "width"};
    if (a->rank != 3)
        return status_fail(ATTN_ERROR_FORMAT, "%s: rank is %d, expected 3, as images have: count, height, width", path,
                           a->rank);
    for (int i = 1; i < 3; i++)
        if (a->shape[i] < 1)
            return status_fail(ATTN_ERROR_FORMAT, "%s: dimension %d, the %s of an image, is %lld, expected at least 1",
                               path, i, names[i], (long long)a->shape[i]);
    return ATTN_OK;
}

attn_status idx_read_images(idx_array *out, const char *path)
{
    attn_status status = idx_read(out, path);
    if (status != ATTN_OK) return status;
    status = check_images(out, path);
    if (status != ATTN_OK) idx_clear(out);
    return status;
}

void idx_clear(idx_array *a)
{
    free(a->values);
    memset(a, 0, sizeof *a);
}
