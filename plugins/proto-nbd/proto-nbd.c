/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protocol "nbd": an export of a network block device server. NetworkBlock-
 * Device doc/proto.md. Requests become commands here, on the engine's thread,
 * and go to the connections in turn.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nbd.h"

/* Largest ZERO or TRIM at once. */
#define MAX_CHANGE (1u << 30)
/* A server that offers several connections may have no place for more. */
#define EXTRA_SECONDS 3u
#define ANSWER_SECONDS 30u /* if nothing is said */

static int32_t nbd_new(struct tn_host *host, void **self)
{
    struct nbd *nbd = calloc(1, sizeof *nbd);

    if (!nbd)
        return -ENOMEM;
    nbd->host = host;
    *self = nbd;
    return 0;
}

static void nbd_destroy(void *self)
{
    free(self);
}

/* ---- open ---- */

static char *property(const struct tn_props *props, struct tn_host *host,
                      const char *name)
{
    const char *text = props->get_string(host, name);

    return text ? strdup(text) : NULL;
}

static void take_property(struct nbd *nbd, const struct tn_props *props,
                          const char *name, char **where)
{
    char *text = *where ? NULL : property(props, nbd->host, name);

    *where = text ? text : *where;
}

/* What the name leaves open. */
static void read_properties(struct nbd *nbd)
{
    const struct tn_props *props = tn_service(nbd->host, TN_HOST_PROPS);
    struct nbd_name *name = &nbd->name;

    take_property(nbd, props, "tls-certificates", &name->tls_certificates);
    take_property(nbd, props, "tls-psk-file", &name->tls_psk_file);
    take_property(nbd, props, "tls-hostname", &name->tls_hostname);
    if (props->get_uint(nbd->host, "tls"))
        name->tls = 1;
    if (!props->get_uint(nbd->host, "tls-verify"))
        name->no_verify = 1;
    nbd->reconnect_seconds = props->get_uint(nbd->host, "reconnect-delay");
    nbd->open_seconds = props->get_uint(nbd->host, "open-timeout");
    nbd->n = (uint32_t)props->get_uint(nbd->host, "connections");
}

static int32_t check_export(struct nbd *nbd, uint32_t flags,
                            struct tn_error *error)
{
    const struct nbd_export *export = &nbd->export;

    if ((flags & TN_IMAGE_WRITABLE) && (export->flags & NBD_FLAG_READ_ONLY))
        return tn_fail(nbd->host, error, -EROFS,
                       "the NBD server offers '%s' for reading only",
                       nbd->name.export);
    nbd->can_zero = (export->flags & NBD_FLAG_SEND_WRITE_ZEROES) != 0;
    nbd->can_trim = (export->flags & NBD_FLAG_SEND_TRIM) != 0;
    if (export->flags & NBD_FLAG_CAN_MULTI_CONN)
        return 0;
    nbd->n = 1;
    return 0;
}

static void close_all(struct nbd *nbd, uint32_t started)
{
    for (uint32_t i = 0; i < started; i++)
        nbd_connection_stop(&nbd->connections[i]);
    for (uint32_t i = 0; i < NBD_CONNECTIONS; i++)
        nbd_connection_clear(&nbd->connections[i]);
    nbd_name_clear(&nbd->name);
    free(nbd->status);
    nbd->status = NULL;
}

/* More connections are a gift: without them it goes on. */
static void add_connections(struct nbd *nbd)
{
    uint32_t wanted = nbd->n;

    for (nbd->n = 1; nbd->n < wanted; nbd->n++) {
        struct nbd_connection *c = &nbd->connections[nbd->n];

        if (nbd_connect(nbd, c, EXTRA_SECONDS, NULL))
            return;
        if (c->export.bytes != nbd->export.bytes ||
            c->export.flags != nbd->export.flags ||
            nbd_connection_start(c))
            return;
    }
}

/* A server that is not there yet may come. What it says, it says for good. */
static int32_t connect_first(struct nbd *nbd, struct tn_error *error)
{
    const struct timespec pause = {.tv_nsec = 100000000};
    uint64_t end = nbd_now() + nbd->open_seconds;
    int32_t rc;

    do {
        uint64_t now = nbd_now(), left = end > now ? end - now : 1;

        rc = nbd_connect(nbd, &nbd->connections[0],
                         nbd->open_seconds ? (uint32_t)left : ANSWER_SECONDS,
                         error);
        /* The handshake, if it came so far, has set it. */
        if (!rc || nbd->connections[0].export.max_payload ||
            rc == -ENAMETOOLONG)
            break;
        if (nbd_now() < end)
            nanosleep(&pause, NULL);
    } while (nbd_now() < end);
    return rc;
}

static int32_t nbd_open(void *self, const char *name, uint32_t flags,
                        struct tn_error *error)
{
    struct nbd *nbd = self;
    int32_t rc = nbd_name_parse(nbd->host, &nbd->name, name, error);

    if (rc)
        return rc;
    for (uint32_t i = 0; i < NBD_CONNECTIONS; i++)
        nbd_connection_init(nbd, &nbd->connections[i]);
    read_properties(nbd);
    nbd->status = calloc(1, sizeof *nbd->status);
    rc = nbd->status ? connect_first(nbd, error) : -ENOMEM;
    if (rc) {
        close_all(nbd, 0);
        return rc;
    }
    nbd->export = nbd->connections[0].export;
    rc = check_export(nbd, flags, error);
    if (!rc)
        rc = nbd_connection_start(&nbd->connections[0]);
    if (rc) {
        close_all(nbd, 0);
        return rc;
    }
    add_connections(nbd);
    return 0;
}

static void nbd_close(void *self)
{
    struct nbd *nbd = self;

    close_all(nbd, nbd->n);
}

static void nbd_info(void *self, struct tn_protocol_info *info)
{
    struct nbd *nbd = self;
    const struct nbd_export *export = &nbd->export;

    info->flags =
        (export->flags & NBD_FLAG_READ_ONLY ? TN_PROTOCOL_READ_ONLY : 0) |
        (export->flags & NBD_FLAG_ROTATIONAL ? TN_PROTOCOL_ROTATIONAL : 0) |
        (export->flags & NBD_FLAG_SEND_FUA ? TN_PROTOCOL_CAN_FUA : 0) |
        (nbd->can_zero ? TN_PROTOCOL_CAN_ZERO : 0) |
        (nbd->can_trim ? TN_PROTOCOL_CAN_DISCARD : 0);
    info->bytes = export->bytes;
    info->block_bytes = export->min_block;
    info->memory_alignment = 1;
    info->physical_bytes = export->min_block > 512 ? export->min_block : 512;
    info->optimal_bytes = export->preferred_block;
    info->discard_bytes = export->min_block > 4096 ? export->min_block : 4096;
    info->fd = -1;
}

/* ---- requests ---- */

static void request_done(struct nbd_job *job)
{
    struct tn_protocol_request *request = job->request;
    int32_t result = job->result;

    free(job);
    request->done(request, result);
}

struct nbd_command *nbd_command_new(struct nbd_job *job, uint32_t type)
{
    struct nbd_command *command = calloc(1, sizeof *command);

    if (command) {
        command->job = job;
        command->type = type;
        __atomic_add_fetch(&job->pending, 1, __ATOMIC_RELAXED);
    }
    return command;
}

struct nbd_connection *nbd_choose(struct nbd *nbd)
{
    for (uint32_t i = 0; i < nbd->n; i++) {
        struct nbd_connection *c =
            &nbd->connections[nbd->next++ % nbd->n];

        if (!__atomic_load_n(&c->broken, __ATOMIC_RELAXED))
            return c;
    }
    return &nbd->connections[nbd->next++ % nbd->n];
}

/* Ends the job's own reference; the sender calls done(). */
static void release(struct nbd *nbd, struct nbd_command *guard, int32_t result)
{
    guard->error = result;
    nbd_connection_queue(&nbd->connections[0], guard);
}

static uint32_t flags_of(const struct nbd *nbd,
                         const struct tn_protocol_request *request)
{
    uint32_t flags = 0;

    if ((request->flags & TN_DISK_FUA) && request->op != TN_DISK_READ &&
        (nbd->export.flags & NBD_FLAG_SEND_FUA))
        flags |= NBD_CMD_FLAG_FUA;
    if (request->op == TN_DISK_ZERO && !(request->flags & TN_DISK_UNMAP))
        flags |= NBD_CMD_FLAG_NO_HOLE;
    return flags;
}

/* Beyond the end of the export all is zeroes. */
static void zero_tail(const struct tn_protocol_request *request, uint64_t from)
{
    for (uint32_t i = 0; i < request->n_iov; i++) {
        uint64_t bytes = request->iov[i].bytes;

        if (from < bytes)
            memset((uint8_t *)request->iov[i].base + from, 0, bytes - from);
        from = from < bytes ? 0 : from - bytes;
    }
}

/* One command for each piece. */
static int32_t queue_pieces(struct nbd *nbd, struct nbd_job *job,
                            uint32_t type, uint64_t bytes, uint64_t most)
{
    const struct tn_protocol_request *request = job->request;

    most -= most % nbd->export.min_block;
    for (uint64_t at = 0; at < bytes;) {
        struct nbd_command *command = nbd_command_new(job, type);

        if (!command)
            return -ENOMEM;
        command->flags = flags_of(nbd, request);
        command->offset = request->offset + at;
        command->skip = at;
        command->bytes = (uint32_t)(bytes - at < most ? bytes - at : most);
        at += command->bytes;
        nbd_connection_queue(nbd_choose(nbd), command);
    }
    return 0;
}

static int32_t queue_request(struct nbd *nbd, struct nbd_job *job)
{
    const struct tn_protocol_request *request = job->request;
    uint64_t end = nbd->export.bytes;
    uint64_t room = request->offset < end ? end - request->offset : 0;
    uint64_t bytes = request->bytes < room ? request->bytes : room;

    if (request->op == TN_DISK_FLUSH) {
        struct nbd_command *command;

        if (!(nbd->export.flags & NBD_FLAG_SEND_FLUSH))
            return 0;
        command = nbd_command_new(job, NBD_CMD_FLUSH);
        if (!command)
            return -ENOMEM;
        nbd_connection_queue(nbd_choose(nbd), command);
        return 0;
    }
    if (request->op == TN_DISK_READ) {
        if (bytes < request->bytes)
            zero_tail(request, bytes);
        return queue_pieces(nbd, job, NBD_CMD_READ, bytes,
                            nbd->export.max_payload);
    }
    nbd->status->n = 0;
    if (bytes < request->bytes)
        return -ENOSPC;
    if (request->op == TN_DISK_WRITE)
        return queue_pieces(nbd, job, NBD_CMD_WRITE, bytes,
                            nbd->export.max_payload);
    if (request->op == TN_DISK_ZERO ? !nbd->can_zero : !nbd->can_trim)
        return -EOPNOTSUPP;
    if ((request->offset | request->bytes) % nbd->export.min_block)
        return -EINVAL;
    return queue_pieces(nbd, job,
                        request->op == TN_DISK_ZERO ? NBD_CMD_WRITE_ZEROES
                                                    : NBD_CMD_TRIM,
                        bytes, MAX_CHANGE);
}

/* The little that is needed to refuse a request always exists. */
static void nbd_submit(void *self, struct tn_protocol_request *request)
{
    struct nbd *nbd = self;
    struct nbd_job *job = calloc(1, sizeof *job);
    struct nbd_command *guard = job ? nbd_command_new(job, NBD_NOP) : NULL;

    if (!guard) {
        free(job);
        request->done(request, -ENOMEM);
        return;
    }
    job->request = request;
    job->done = request_done;
    release(nbd, guard, queue_request(nbd, job));
}

/* ---- the size ---- */

static int32_t nbd_create(void *self, const char *name, uint64_t bytes,
                          struct tn_error *error)
{
    struct nbd *nbd = self;
    int32_t rc = nbd_open(nbd, name, TN_IMAGE_WRITABLE, error);

    if (rc)
        return rc;
    if (bytes > nbd->export.bytes)
        rc = tn_fail(nbd->host, error, -ENOSPC,
                     "the NBD export has %llu bytes, and that is not to be "
                     "changed from here",
                     (unsigned long long)nbd->export.bytes);
    nbd_close(nbd);
    return rc;
}

/* A shorter image leaves the rest of the export alone. */
static int32_t nbd_resize(void *self, uint64_t bytes, struct tn_error *error)
{
    struct nbd *nbd = self;

    return bytes <= nbd->export.bytes
               ? 0
               : tn_fail(nbd->host, error, -ENOSPC,
                         "the NBD export has %llu bytes, and that is not to "
                         "be changed from here",
                         (unsigned long long)nbd->export.bytes);
}

static const struct tn_protocol nbd_protocol = {
    .size = sizeof nbd_protocol,
    .schemes = "nbd,nbds,nbd+unix,nbds+unix,nbd+tcp,nbds+tcp",
    .open = nbd_open,
    .close = nbd_close,
    .info = nbd_info,
    .create = nbd_create,
    .submit = nbd_submit,
    .resize = nbd_resize,
    .status = nbd_status_at,
};

static const void *nbd_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_PROTOCOL) ? NULL : &nbd_protocol;
}

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "proto-nbd",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "Images on network block device servers"},
};

TN_COMPONENT_INFO(nbd_component, 8) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, nbd_component),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_PROTOCOL, 8), .id = "nbd",
             .provides = "nbds,nbd+unix,nbds+unix,nbd+tcp,nbds+tcp",
             .summary = "An export of an NBD server"},
    .properties =
        {
            {.name = "tls", .type = TN_PROP_BOOL, .default_value = "no",
             .doc = "Demand TLS, as nbds:// does"},
            {.name = "tls-certificates", .type = TN_PROP_PATH,
             .doc = "Directory of ca-cert.pem, client-cert.pem, "
                    "client-key.pem; else the system's authorities"},
            {.name = "tls-psk-file", .type = TN_PROP_PATH,
             .doc = "File of NAME:HEXKEY, a key that both sides know"},
            {.name = "tls-hostname", .type = TN_PROP_STRING,
             .doc = "Name in the server's certificate, if not its address"},
            {.name = "tls-verify", .type = TN_PROP_BOOL,
             .default_value = "yes",
             .doc = "Check the server's certificate"},
            {.name = "reconnect-delay", .type = TN_PROP_UINT,
             .default_value = "0", .maximum = "86400", .unit = "s",
             .doc = "How long requests wait for a server that is gone; 0: "
                    "they fail and it is not sought again"},
            {.name = "open-timeout", .type = TN_PROP_UINT,
             .default_value = "0", .maximum = "86400", .unit = "s",
             .doc = "How long to seek a server that is not there yet; 0: "
                    "it is tried once"},
            {.name = "connections", .type = TN_PROP_UINT,
             .default_value = "2", .minimum = "1", .maximum = "16",
             .doc = "How many, if the server offers several"},
        },
};

static const struct tn_component_ops nbd_ops = {
    .size = sizeof nbd_ops,
    .create = nbd_new,
    .destroy = nbd_destroy,
    .get_interface = nbd_interface,
};

TN_COMPONENT(nbd, nbd_component, nbd_ops);
TN_PLUGIN_ENTRY(plugin_info, &nbd)
