#include "input/pieces_check.h"

#include "base/status.h"

#include <string.h>

/* A run of protocol-buffer fields (protobuf.dev, "Encoding"). */
typedef struct message_view {
    const unsigned char *at, *end;
} message_view;

typedef struct field {
    uint64_t number;
    unsigned wire;
    message_view body; /* of a length-delimited field */
} field;

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* sentencepiece_model.proto: ModelProto.pieces, .normalizer_spec, .denormalizer_spec, and
 * NormalizerSpec.precompiled_charsmap */
enum { MODEL_PIECES = 1, MODEL_NORMALIZER = 3, MODEL_DENORMALIZER = 5, NORMALIZER_MAP = 2 };

static bool read_varint(message_view *v, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (v->at == v->end) return false;
        unsigned char byte = *v->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return true;
    }
    return false;
}

static bool skip(message_view *v, uint64_t bytes)
{
    if ((uint64_t)(v->end - v->at) < bytes) return false;
    v->at += bytes;
    return true;
}

static bool read_field(message_view *v, field *f)
{
    uint64_t key, value;
    if (!read_varint(v, &key)) return false;
    f->number = key >> 3;
    f->wire = (unsigned)(key & 7);
    if (f->number == 0) return false;
    switch (f->wire) {
    case WIRE_VARINT:
        return read_varint(v, &value);
    case WIRE_64:
        return skip(v, 8);
    case WIRE_32:
        return skip(v, 4);
    case WIRE_BYTES:
        if (!read_varint(v, &value)) return false;
        f->body.at = v->at;
        if (!skip(v, value)) return false;
        f->body.end = v->at;
        return true;
    default:
        return false;
    }
}

static uint32_t unit_at(const unsigned char *units, uint32_t i)
{
    const unsigned char *u = units + 4 * (size_t)i;
    return (uint32_t)u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
}

/* One unit of the double array (Darts-clone, darts.h): bit 8 says that a value hangs below, bits 10 up with bit 9's
 * shift give the offset that, xored with the unit's own index and a byte, leads to a child. */
static bool unit_stays_inside(const unsigned char *units, uint32_t count, uint32_t i, size_t replacements)
{
    uint32_t unit = unit_at(units, i);
    if (unit >> 31 && i > 0) return true; /* a value: read, never followed; the root is followed whatever it says */
    uint32_t base = i ^ ((unit >> 10) << ((unit & (1u << 9)) >> 6));
    if ((base | 0xff) >= count) return false;
    if (!(unit & (1u << 8))) return true;
    return (unit_at(units, base) & 0x7fffffffu) < replacements;
}

/* The map: the trie's size in bytes (little-endian), the trie, then replacements, each ended by a NUL. */
static const char *map_fault(message_view map)
{
    size_t bytes = (size_t)(map.end - map.at);
    if (bytes == 0) return NULL;
    if (bytes <= 4) return "too short";
    uint32_t trie = unit_at(map.at, 0);
    if (trie >= bytes - 4) return "its trie is longer than the map";
    if (trie == 0 || trie % 1024 != 0) return "its trie is not whole blocks of 256 units";
    const unsigned char *units = map.at + 4;
    size_t replacements = bytes - 4 - trie;
    if (map.end[-1] != '\0') return "its replacements do not end in NUL";
    for (uint32_t i = 0; i < trie / 4; i++) {
        if (!unit_stays_inside(units, trie / 4, i, replacements)) return "its trie points outside itself";
    }
    return NULL;
}

static attn_status check_normalizer(message_view spec, const char *name)
{
    field f;
    while (spec.at < spec.end) {
        if (!read_field(&spec, &f))
            return status_fail(ATTN_ERROR_FORMAT, "%s: normalizer_spec is damaged, expected a SentencePiece model",
                               name);
        if (f.number != NORMALIZER_MAP || f.wire != WIRE_BYTES) continue;
        const char *fault = map_fault(f.body);
        if (fault) return status_fail(ATTN_ERROR_FORMAT, "%s: precompiled_charsmap: %s", name, fault);
    }
    return ATTN_OK;
}

attn_status pieces_check_model(const void *model, size_t bytes, const char *name)
{
    message_view v = {model, (const unsigned char *)model + bytes};
    int64_t count = 0;
    field f;
    while (v.at < v.end) {
        size_t offset = (size_t)(v.at - (const unsigned char *)model);
        if (!read_field(&v, &f))
            return status_fail(ATTN_ERROR_FORMAT, "%s: damaged at byte %zu of %zu, expected a SentencePiece model",
                               name, offset, bytes);
        if (f.wire != WIRE_BYTES) continue;
        count += f.number == MODEL_PIECES;
        if (f.number != MODEL_NORMALIZER && f.number != MODEL_DENORMALIZER) continue;
        attn_status s = check_normalizer(f.body, name);
        if (s != ATTN_OK) return s;
    }
    if (count == 0) return status_fail(ATTN_ERROR_FORMAT, "%s: no pieces in it, expected a SentencePiece model", name);
    return ATTN_OK;
}
