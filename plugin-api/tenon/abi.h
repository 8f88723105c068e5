/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugin ABI: what a plugin file contains and how Tenon finds it.
 *
 * Plugins of any licence may include these headers and be loaded by Tenon:
 * using this interface does not make a plugin a derived work of Tenon.
 *
 * A plugin is a shared object that
 *   1. exports one function, tenon_plugin_entry(), and nothing else;
 *   2. carries ELF notes of owner "Tenon" that state who made it, for which
 *      ABI, and which components it has, each with its property schema.
 *
 * Listing, describing and resolving read the notes and run no plugin code.
 * The notes ARE the schema tables the descriptor points to, so the two cannot
 * differ: a component's information is written once, in the note section.
 *
 * Rules of every public struct: the first member is its own size in bytes
 * (fixed-layout note records included); members are only appended; no enum,
 * bool, bit-field, long, off_t or library type. A reader takes the smaller of
 * the two sizes and treats the rest as zero. A table slot that is zero is an
 * ability that is not there.
 *
 * Thread tags stand in brackets before each function:
 *   [control]  the machine's control thread, or core while no vCPU runs
 *   [vcpu]     a vCPU thread; must not block
 *   [io]       the instance's I/O thread
 *   [any]      any thread, also several at once
 * Core holds the instance's lock around every callback of an instance unless
 * the component sets TN_COMPONENT_PARALLEL or the callback's tag says
 * "unlocked".
 */
#ifndef TENON_ABI_H
#define TENON_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The stable tier. Within a major, only additions. */
#define TN_ABI_MAJOR 1u
#define TN_ABI_MINOR 0u

/*
 * The fast tier: accelerators and CPU targets (target.h, accel.h, ir.h).
 * A minor release of Tenon may raise its major.
 */
#define TN_FAST_MAJOR 1u
#define TN_FAST_MINOR 1u

/* Does table T (a pointer) reach as far as its member M, and is M set? */
#define TN_HAS(t, m)                                                           \
    ((t) && (t)->size >= offsetof(__typeof__(*(t)), m) + sizeof((t)->m) &&     \
     (t)->m)

/* What a component is. */
#define TN_KIND_DEVICE 1u   /* anything the guest sees (devices, buses) */
#define TN_KIND_ACCEL 2u    /* runs vCPUs: accel.h (fast tier) */
#define TN_KIND_TARGET 3u   /* an instruction set: target.h (fast tier) */
#define TN_KIND_FORMAT 4u   /* image format: block-plugin.h */
#define TN_KIND_PROTOCOL 5u /* where an image's bytes are: block-plugin.h */
#define TN_KIND_NET 6u      /* network back-end: net.h */
#define TN_KIND_CHAR 7u     /* character back-end: char.h */
#define TN_KIND_BOOT 8u     /* boot protocol: boot.h */
#define TN_KIND_MIGRATION 9u
#define TN_KIND_DISPLAY 10u
#define TN_KIND_MANAGEMENT 11u

/* Component flags. */
/* Callbacks may run at once on several threads; the plugin locks itself. */
#define TN_COMPONENT_PARALLEL 0x1u
/* Shares the lock of the instance whose bus it sits on (virtio on its
 * transport): calls between the two need no tn_tree.enter(). */
#define TN_COMPONENT_PARENT_LOCK 0x2u
/* Several instances may sit on each bus it provides (else one a bus). */
#define TN_COMPONENT_MULTI_SLOT 0x4u
/* Devices: every instance offers "tenon.state/1" (state.h), so it can be in a
 * machine that is saved. In the note, for `tenon check` runs no plugin code. */
#define TN_COMPONENT_SAVES 0x8u

/* Property types: how the text in the machine file is read. */
#define TN_PROP_STRING 1u
#define TN_PROP_BOOL 2u /* true false yes no on off 1 0 */
#define TN_PROP_UINT 3u /* decimal, 0x hexadecimal, 0 octal */
#define TN_PROP_INT 4u
#define TN_PROP_SIZE 5u /* bytes; suffixes K M G T are powers of 1024 */
#define TN_PROP_ENUM 6u /* one of `choices`, separated by '|' */
#define TN_PROP_PATH 7u /* file name, relative to the file it is written in; a
                           text with "://" is left as it is */
#define TN_PROP_REF 8u  /* id of another instance */
#define TN_PROP_MAC 9u  /* aa:bb:cc:dd:ee:ff */
#define TN_PROP_TIME 10u /* nanoseconds; suffixes ns us ms s */

#define TN_PROP_REQUIRED 0x1u
#define TN_PROP_LIST 0x2u /* several values separated by commas */
/* Formats: decides what a new image is like; opening does not look at it. */
#define TN_PROP_CREATE 0x4u
/* Formats: may be changed in an image that exists (tn_format.amend). */
#define TN_PROP_AMEND 0x8u

/* One property of a component. Text, so that it can stand in a note. */
struct tn_property {
    char name[32];
    uint32_t type;
    uint32_t flags;
    char default_value[64]; /* as written in a machine file; "" is none */
    char minimum[24];       /* numbers only; "" is unbounded */
    char maximum[24];
    char choices[192]; /* TN_PROP_ENUM */
    char unit[16];     /* "bytes", "Hz", ... for documentation */
    char doc[200];     /* one line, no full stop needed */
};

/* Facts about a plugin: the descriptor of note type TN_NOTE_PLUGIN. */
struct tn_plugin_info {
    uint32_t size;
    uint32_t abi_major;   /* built against */
    uint32_t abi_minor;   /* built against */
    uint32_t needs_minor; /* the oldest minor it works with */
    uint32_t fast_major;  /* 0: has no fast-tier component */
    uint32_t fast_minor;
    uint32_t n_components;
    uint32_t reserved;
    char id[48];      /* "dev-virtio-rng"; vendors: "com.example.widget" */
    char version[24]; /* the plugin's own */
    char vendor[64];
    char licence[48]; /* SPDX expression */
    char summary[128];
};

/* Facts about a component: note type TN_NOTE_COMPONENT; its properties follow
 * immediately, `n_properties` records of `property_size` bytes. */
struct tn_component_info {
    uint32_t size;
    uint32_t kind;
    uint32_t flags;
    uint32_t property_size;
    uint32_t n_properties;
    uint32_t reserved;
    char id[48];        /* name in machine files */
    char bus[32];       /* bus kind it plugs into: "virtio", "pci", "" none */
    char provides[64];  /* bus kinds it provides, separated by commas; of a
                           protocol its schemes, of a format its patterns
                           (block-plugin.h) */
    char summary[160];
};

struct tn_note_header {
    uint32_t name_size; /* 6 */
    uint32_t desc_size;
    uint32_t type;
    char name[8]; /* "Tenon\0\0\0" */
};

#define TN_NOTE_PLUGIN 1u
#define TN_NOTE_COMPONENT 2u

/* Notes follow each other without gaps: no red zones between them (clang puts
 * some around variables with a section of their own, gcc does not). */
#ifdef __clang__
#define TN_NOTE_NO_REDZONE __attribute__((no_sanitize("address")))
#else
#define TN_NOTE_NO_REDZONE
#endif
#define TN_NOTE_SECTION                                                        \
    TN_NOTE_NO_REDZONE                                                         \
    __attribute__((section(".note.tenon"), used, aligned(4)))
#define TN_NOTE_HEADER(type_, var_)                                            \
    {                                                                          \
        6u, (uint32_t)(sizeof(var_) - sizeof(struct tn_note_header)), (type_), \
        {                                                                      \
            'T', 'e', 'n', 'o', 'n', 0, 0, 0                                   \
        }                                                                      \
    }

/*
 * Declares the plugin's note. Use once a plugin:
 *
 *   TN_PLUGIN_INFO(rng_plugin) = {
 *       .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, rng_plugin),
 *       .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1,
 *                .id = "dev-virtio-rng", .version = "1.0",
 *                .vendor = "Tenon", .licence = "Apache-2.0",
 *                .summary = "virtio entropy device"},
 *   };
 */
#define TN_PLUGIN_INFO(var)                                                    \
    static const struct {                                                      \
        struct tn_note_header note;                                            \
        struct tn_plugin_info info;                                            \
    } var TN_NOTE_SECTION
#define TN_PLUGIN_INFO_STABLE                                                  \
    .size = sizeof(struct tn_plugin_info), .abi_major = TN_ABI_MAJOR,          \
    .abi_minor = TN_ABI_MINOR, .needs_minor = 0
#define TN_PLUGIN_INFO_FAST                                                    \
    TN_PLUGIN_INFO_STABLE, .fast_major = TN_FAST_MAJOR,                        \
                           .fast_minor = TN_FAST_MINOR

/*
 * Declares a component's note with N properties:
 *
 *   TN_COMPONENT_INFO(rng_info, 1) = {
 *       .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, rng_info),
 *       .info = {TN_COMPONENT_INFO_DEVICE(1), .id = "virtio-rng",
 *                .bus = "virtio", .summary = "..."},
 *       .properties = {{.name = "rate", .type = TN_PROP_UINT, ...}},
 *   };
 */
#define TN_COMPONENT_INFO(var, n)                                              \
    static const struct {                                                      \
        struct tn_note_header note;                                            \
        struct tn_component_info info;                                         \
        struct tn_property properties[n];                                      \
    } var TN_NOTE_SECTION
#define TN_COMPONENT_INFO_KIND(kind_, n)                                       \
    .size = sizeof(struct tn_component_info), .kind = (kind_),                 \
    .property_size = sizeof(struct tn_property), .n_properties = (n)
#define TN_COMPONENT_INFO_DEVICE(n) TN_COMPONENT_INFO_KIND(TN_KIND_DEVICE, n)

struct tn_host;  /* the host's side of one instance: host.h */
struct tn_error; /* where an operation's error text goes: host.h */

/* How deep a reset goes. */
#define TN_RESET_COLD 0u /* power on */
#define TN_RESET_WARM 1u /* guest asked for a reboot */

/*
 * The life of an instance. Every component has this table, whatever its kind;
 * what the kind adds is an interface asked for with get_interface().
 *
 *   create -> configure -> realize -> (reset, start <-> stop)* -> quiesce
 *          -> unrealize -> destroy
 *
 * An instance that failed in a step is taken back through the mirrored steps
 * of those that succeeded. All state is the instance's own: two machines may
 * live in one process.
 */
struct tn_component_ops {
    uint32_t size;
    uint32_t reserved;

    /* [control] Allocate the instance. May keep HOST, must not call it.
     * Returns 0 and sets *SELF, or -ENOMEM. */
    int32_t (*create)(struct tn_host *host, void **self);
    /* [control] Free what create() made. */
    void (*destroy)(void *self);
    /* [control] Optional. Read properties (tn_props). Nothing else of the
     * machine may be looked at: other instances may not be configured. */
    int32_t (*configure)(void *self, struct tn_error *error);
    /* [control] Optional. Acquire: regions, lines, files, parents. Parents
     * are realized before the instances on their buses. */
    int32_t (*realize)(void *self, struct tn_error *error);
    /* [control] Optional. Give back what realize() acquired. */
    void (*unrealize)(void *self);
    /* [control] Optional. To the power-on state. No vCPU runs. */
    void (*reset)(void *self, uint32_t kind);
    /* [control] Optional. vCPUs are about to run / have stopped. -EAGAIN with
     * an error text: what must come first has not (a connection); those that
     * have started are stopped, and core asks all again a little later, until
     * it goes or the user ends it. The text is shown meanwhile. */
    int32_t (*start)(void *self, struct tn_error *error);
    void (*stop)(void *self);
    /* [control] Optional. Finish or cancel everything in flight, so that the
     * state can be saved or the instance taken away. After stop(). */
    int32_t (*quiesce)(void *self);
    /* [any, unlocked] Optional. The interface called ID, or NULL. The pointer
     * is valid until destroy() and the same each time. */
    const void *(*get_interface)(void *self, const char *id);
};

struct tn_component {
    uint32_t size;
    uint32_t reserved;
    const struct tn_component_info *info;
    const struct tn_component_ops *ops;
};

struct tn_plugin {
    uint32_t size;
    uint32_t reserved;
    const struct tn_plugin_info *info;
    const struct tn_component *const *components; /* info->n_components */
};

/* What the host tells the entry function. */
struct tn_entry_args {
    uint32_t size;
    uint32_t abi_major;
    uint32_t abi_minor;
    uint32_t fast_major;
    uint32_t fast_minor;
};

/*
 * [control] The only exported symbol. Returns a descriptor that lives as long
 * as the process, or NULL if the plugin cannot work with this host. Must do
 * nothing else: no threads, no files, no allocation.
 */
#define TN_EXPORT __attribute__((visibility("default")))
TN_EXPORT const struct tn_plugin *
tenon_plugin_entry(const struct tn_entry_args *args);

/*
 * The usual end of a plugin: one TN_COMPONENT for each component, then the
 * entry function with the components in the order they should be listed.
 *
 *   TN_COMPONENT(rng, rng_info, rng_ops);
 *   TN_PLUGIN_ENTRY(plugin_info, &rng)
 *
 * TN_PLUGIN_ENTRY_FAST is for plugins with fast-tier components.
 */
#define TN_COMPONENT(var, info_, ops_)                                         \
    static const struct tn_component var = {                                   \
        .size = sizeof var, .info = &(info_).info, .ops = &(ops_)}
#define TN_PLUGIN_ENTRY_IF_(accept, info_, ...)                                \
    static const struct tn_component *const tn_components_[] = {__VA_ARGS__};  \
    static const struct tn_plugin tn_plugin_ = {.size = sizeof tn_plugin_,     \
                                                .info = &(info_).info,         \
                                                .components =                  \
                                                    tn_components_};           \
    TN_EXPORT const struct tn_plugin *tenon_plugin_entry(                      \
        const struct tn_entry_args *args)                                      \
    {                                                                          \
        return (accept) ? &tn_plugin_ : NULL;                                  \
    }
#define TN_PLUGIN_ENTRY(info_, ...)                                            \
    TN_PLUGIN_ENTRY_IF_(args->abi_major == TN_ABI_MAJOR, info_, __VA_ARGS__)
#define TN_PLUGIN_ENTRY_FAST(info_, ...)                                       \
    TN_PLUGIN_ENTRY_IF_(args->abi_major == TN_ABI_MAJOR &&                     \
                            args->fast_major == TN_FAST_MAJOR,                 \
                        info_, __VA_ARGS__)

#ifdef __cplusplus
}
#endif
#endif
