/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON part of a LUKS header of version 2: LUKS2 On-Disk Format
 * Specification 1.1.1, section 3. What we need of it, checked. A key slot of
 * an unknown kind is left out; data of one is an error.
 */
#include "luks2.h"

#include <errno.h>
#include <json-glib/json-glib.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 16

/* json-glib recurses without a limit. */
static gboolean is_deep(const char *text)
{
    gboolean inside = FALSE;
    int depth = 0;

    for (; *text; text++) {
        if (inside) {
            if (*text == '\\' && text[1])
                text++;
            else if (*text == '"')
                inside = FALSE;
        } else if (*text == '"') {
            inside = TRUE;
        } else if (*text == '{' || *text == '[') {
            if (++depth > MAX_DEPTH)
                return TRUE;
        } else if (*text == '}' || *text == ']') {
            depth--;
        }
    }
    return FALSE;
}

/* ---- members; NULL or FALSE: not there, or something else ---- */

static JsonObject *get_object(JsonObject *object, const char *name)
{
    JsonNode *node = object ? json_object_get_member(object, name) : NULL;

    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node)
                                                : NULL;
}

static JsonArray *get_array(JsonObject *object, const char *name)
{
    JsonNode *node = object ? json_object_get_member(object, name) : NULL;

    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node)
                                               : NULL;
}

static const char *get_text(JsonObject *object, const char *name)
{
    JsonNode *node = object ? json_object_get_member(object, name) : NULL;

    return node && JSON_NODE_HOLDS_VALUE(node) &&
                   json_node_get_value_type(node) == G_TYPE_STRING
               ? json_node_get_string(node)
               : "";
}

static gboolean get_u32(JsonObject *object, const char *name, uint32_t *value)
{
    JsonNode *node = object ? json_object_get_member(object, name) : NULL;
    gint64 number;

    if (!node || !JSON_NODE_HOLDS_VALUE(node) ||
        json_node_get_value_type(node) != G_TYPE_INT64)
        return FALSE;
    number = json_node_get_int(node);
    *value = (uint32_t)number;
    return number >= 0 && number <= UINT32_MAX;
}

/* 64-bit numbers stand in strings. */
static gboolean get_u64(JsonObject *object, const char *name, uint64_t *value)
{
    guint64 number;

    if (!g_ascii_string_to_unsigned(get_text(object, name), 10, 0, INT64_MAX,
                                    &number, NULL))
        return FALSE;
    *value = number;
    return TRUE;
}

static gboolean get_bytes(JsonObject *object, const char *name, uint8_t *bytes,
                          size_t room, size_t *count)
{
    g_autofree guchar *data = g_base64_decode(get_text(object, name), count);

    if (!*count || *count > room)
        return FALSE;
    memcpy(bytes, data, *count);
    return TRUE;
}

static gboolean get_hash(JsonObject *object, const char *name, uint32_t *hash)
{
    int found = crypto_hash_find(get_text(object, name));

    *hash = (uint32_t)found;
    return found >= 0;
}

/* "aes-xts-plain64": cipher and mode in one. */
static int32_t get_spec(struct luks2 *luks, JsonObject *object,
                        uint32_t key_bytes, struct crypto_spec *spec,
                        struct tn_error *error)
{
    const char *text = get_text(object, "encryption");
    const char *dash = strchr(text, '-');
    g_autofree char *cipher = NULL;

    if (!dash)
        return tn_fail(luks->host, error, -ENOTSUP,
                       "it is encrypted with \"%.60s\", which is not known "
                       "here", text);
    cipher = g_strndup(text, (gsize)(dash - text));
    return crypto_spec_parse(luks->host, spec, cipher, dash + 1, key_bytes,
                             error);
}

/* ---- key slots ---- */

static gboolean parse_kdf(struct luks2_slot *slot, JsonObject *kdf)
{
    const char *type = get_text(kdf, "type");

    if (!get_bytes(kdf, "salt", slot->salt, sizeof slot->salt,
                   &slot->salt_bytes))
        return FALSE;
    if (!strcmp(type, "pbkdf2")) {
        slot->kdf = LUKS2_PBKDF2;
        return get_hash(kdf, "hash", &slot->hash) &&
               get_u32(kdf, "iterations", &slot->time) && slot->time;
    }
    slot->kdf = !strcmp(type, "argon2id") ? LUKS2_ARGON2ID : LUKS2_ARGON2I;
    return (slot->kdf == LUKS2_ARGON2ID || !strcmp(type, "argon2i")) &&
           get_u32(kdf, "time", &slot->time) &&
           get_u32(kdf, "memory", &slot->memory) &&
           get_u32(kdf, "cpus", &slot->cpus);
}

/* FALSE: not one that we can use. */
static gboolean parse_slot(struct luks2 *luks, JsonObject *object,
                           struct luks2_slot *slot)
{
    JsonObject *af = get_object(object, "af");
    JsonObject *area = get_object(object, "area");
    uint64_t end;

    slot->spec.sector_bytes = CRYPTO_SECTOR;
    return !strcmp(get_text(object, "type"), "luks2") &&
           get_u32(object, "key_size", &slot->key_bytes) && slot->key_bytes &&
           slot->key_bytes <= CRYPTO_MAX_KEY &&
           !strcmp(get_text(af, "type"), "luks1") &&
           get_u32(af, "stripes", &slot->stripes) && slot->stripes &&
           slot->stripes <= 65536 &&
           get_hash(af, "hash", &slot->split_hash) &&
           !strcmp(get_text(area, "type"), "raw") &&
           get_u64(area, "offset", &slot->area_offset) &&
           get_u64(area, "size", &slot->area_bytes) &&
           !__builtin_add_overflow(slot->area_offset, slot->area_bytes,
                                   &end) &&
           end <= luks->bytes &&
           (uint64_t)slot->stripes * slot->key_bytes <= slot->area_bytes &&
           get_u32(area, "key_size", &slot->area_key_bytes) &&
           slot->area_key_bytes <= CRYPTO_MAX_KEY &&
           !get_spec(luks, area, slot->area_key_bytes, &slot->spec, NULL) &&
           parse_kdf(slot, get_object(object, "kdf"));
}

static void parse_slots(struct luks2 *luks, JsonObject *slots)
{
    for (uint32_t i = 0; i < LUKS2_SLOTS; i++) {
        char name[16];
        JsonObject *object;

        g_snprintf(name, sizeof name, "%u", i);
        object = get_object(slots, name);
        luks->slots[luks->n_slots].number = i;
        if (object && parse_slot(luks, object, &luks->slots[luks->n_slots]))
            luks->n_slots++;
    }
}

/* ---- digests ---- */

static uint32_t get_numbers(JsonObject *object, const char *name)
{
    JsonArray *array = get_array(object, name);
    uint32_t bits = 0;

    for (guint i = 0; array && i < json_array_get_length(array); i++) {
        JsonNode *node = json_array_get_element(array, i);
        guint64 number;

        if (JSON_NODE_HOLDS_VALUE(node) &&
            json_node_get_value_type(node) == G_TYPE_STRING &&
            g_ascii_string_to_unsigned(json_node_get_string(node), 10, 0, 31,
                                       &number, NULL))
            bits |= 1u << number;
    }
    return bits;
}

static gboolean parse_digest(JsonObject *object, struct luks2_digest *digest)
{
    digest->slots = get_numbers(object, "keyslots");
    return (get_numbers(object, "segments") & 1) &&
           !strcmp(get_text(object, "type"), "pbkdf2") &&
           get_hash(object, "hash", &digest->hash) &&
           get_u32(object, "iterations", &digest->iterations) &&
           digest->iterations &&
           get_bytes(object, "salt", digest->salt, sizeof digest->salt,
                     &digest->salt_bytes) &&
           get_bytes(object, "digest", digest->digest, sizeof digest->digest,
                     &digest->digest_bytes) &&
           digest->digest_bytes >= 16;
}

static void parse_digests(struct luks2 *luks, JsonObject *digests)
{
    for (uint32_t i = 0; i < LUKS2_DIGESTS; i++) {
        char name[16];
        JsonObject *object;

        g_snprintf(name, sizeof name, "%u", i);
        object = get_object(digests, name);
        if (object &&
            parse_digest(object, &luks->digests[luks->n_digests]))
            luks->n_digests++;
    }
}

/* ---- the data ---- */

static int32_t parse_segment(struct luks2 *luks, JsonObject *segments,
                             struct tn_error *error)
{
    struct luks2_segment *segment = &luks->segment;
    JsonObject *object = get_object(segments, "0");
    const char *size = get_text(object, "size");
    uint32_t sector = CRYPTO_SECTOR;

    if (!object || json_object_get_size(segments) != 1)
        return tn_fail(luks->host, error, -ENOTSUP,
                       "its data is in several pieces: it is being encrypted "
                       "anew; finish that with cryptsetup");
    if (strcmp(get_text(object, "type"), "crypt"))
        return tn_fail(luks->host, error, -ENOTSUP,
                       "its data is of kind \"%.40s\", which is not known "
                       "here", get_text(object, "type"));
    if (get_object(object, "integrity"))
        return tn_fail(luks->host, error, -ENOTSUP,
                       "its data has checksums (dm-integrity), which are not "
                       "known here");
    if (json_object_has_member(object, "sector_size") &&
        !get_u32(object, "sector_size", &sector))
        sector = 0;
    if (sector < CRYPTO_SECTOR || sector > 4096 || (sector & (sector - 1)) ||
        !get_u64(object, "offset", &segment->offset) ||
        segment->offset % sector ||
        !get_u64(object, "iv_tweak", &segment->first_iv) ||
        (strcmp(size, "dynamic") &&
         (!get_u64(object, "size", &segment->bytes) || !segment->bytes ||
          segment->bytes % sector)))
        return tn_fail(luks->host, error, -EINVAL,
                       "the LUKS header is damaged: where the data is");
    segment->spec.sector_bytes = sector;
    return get_spec(luks, object, segment->key_bytes, &segment->spec, error);
}

/* The key's size is the slots' of the segment's digest. */
static uint32_t find_key_bytes(const struct luks2 *luks)
{
    for (uint32_t i = 0; i < luks->n_slots; i++)
        for (uint32_t k = 0; k < luks->n_digests; k++)
            if (luks->digests[k].slots >> luks->slots[i].number & 1)
                return luks->slots[i].key_bytes;
    return 0;
}

static int32_t check_requirements(struct luks2 *luks, JsonObject *config,
                                  struct tn_error *error)
{
    JsonObject *requirements = get_object(config, "requirements");
    JsonArray *mandatory = get_array(requirements, "mandatory");

    if (mandatory && json_array_get_length(mandatory))
        return tn_fail(luks->host, error, -ENOTSUP,
                       "its header has requirements that are not known here");
    return 0;
}

int32_t luks2_parse(struct luks2 *luks, const char *text, uint64_t bytes,
                    struct tn_error *error)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonObject *root;
    int32_t rc;

    if (is_deep(text) || !g_utf8_validate(text, -1, NULL) ||
        strlen(text) > bytes ||
        !json_parser_load_from_data(parser, text, -1, NULL) ||
        !json_parser_get_root(parser) ||
        !JSON_NODE_HOLDS_OBJECT(json_parser_get_root(parser)))
        return tn_fail(luks->host, error, -EINVAL,
                       "the LUKS header is damaged: not JSON");
    root = json_node_get_object(json_parser_get_root(parser));
    rc = check_requirements(luks, get_object(root, "config"), error);
    if (rc)
        return rc;
    parse_slots(luks, get_object(root, "keyslots"));
    parse_digests(luks, get_object(root, "digests"));
    luks->segment.key_bytes = find_key_bytes(luks);
    if (!luks->segment.key_bytes)
        return tn_fail(luks->host, error, -ENOTSUP,
                       "it has no key slot of a kind that is known here");
    return parse_segment(luks, get_object(root, "segments"), error);
}
