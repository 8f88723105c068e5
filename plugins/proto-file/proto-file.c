/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protocol "file": regular files and block devices of the host.
 *
 * It opens, locks and sizes; the engine does the transfers on the descriptor.
 * Locks are those that other image tools of Linux take (open file description
 * locks, fcntl(2), on single bytes): for each right that is used a shared lock
 * on byte 100 + right, for each that others must not use one on 200 + right.
 * Then nobody may hold a byte that contradicts.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tenon/block-plugin.h>

#define LOCK_USES 100   /* byte of right 0 */
#define LOCK_DENIES 200 /* likewise */
/* Rights, as bits. */
#define RIGHT_READ 0x1u
#define RIGHT_WRITE 0x2u
#define RIGHT_RESIZE 0x8u
#define RIGHTS 4u

struct file {
    struct tn_host *host;
    int fd;
    uint32_t flags;
    int is_device;
};

static int32_t file_create(struct tn_host *host, void **self)
{
    struct file *file = calloc(1, sizeof *file);

    if (!file)
        return -ENOMEM;
    file->host = host;
    file->fd = -1;
    *self = file;
    return 0;
}

static void file_destroy(void *self)
{
    free(self);
}

/* ---- locks ---- */

static int set_lock(int fd, off_t byte, short type, int command,
                    short *found)
{
    struct flock lock = {.l_type = type,
                         .l_whence = SEEK_SET,
                         .l_start = byte,
                         .l_len = 1};
    int rc = fcntl(fd, command, &lock);

    if (found)
        *found = lock.l_type;
    return rc ? -errno : 0;
}

static int take(int fd, uint32_t uses, uint32_t denies)
{
    for (uint32_t i = 0; i < RIGHTS; i++) {
        int rc = 0;

        if (uses >> i & 1)
            rc = set_lock(fd, LOCK_USES + i, F_RDLCK, F_OFD_SETLK, NULL);
        if (!rc && (denies >> i & 1))
            rc = set_lock(fd, LOCK_DENIES + i, F_RDLCK, F_OFD_SETLK, NULL);
        if (rc)
            return rc;
    }
    return 0;
}

static int look(int fd, uint32_t uses, uint32_t denies)
{
    for (uint32_t i = 0; i < RIGHTS; i++) {
        short found = F_UNLCK;
        int rc = 0;

        if (uses >> i & 1)
            rc = set_lock(fd, LOCK_DENIES + i, F_WRLCK, F_OFD_GETLK, &found);
        if (!rc && found == F_UNLCK && (denies >> i & 1))
            rc = set_lock(fd, LOCK_USES + i, F_WRLCK, F_OFD_GETLK, &found);
        if (rc)
            return rc;
        if (found != F_UNLCK)
            return -EBUSY;
    }
    return 0;
}

static int32_t lock_file(struct file *file, const char *name,
                         struct tn_error *error)
{
    int writes = (file->flags & TN_IMAGE_WRITABLE) != 0;
    uint32_t uses =
        RIGHT_READ | (writes ? RIGHT_WRITE | RIGHT_RESIZE : 0);
    uint32_t denies =
        file->flags & TN_IMAGE_SHARED ? 0 : RIGHT_WRITE | RIGHT_RESIZE;
    int rc;

    if (file->flags & TN_IMAGE_UNLOCKED)
        return 0;
    rc = take(file->fd, uses, denies);
    if (!rc)
        rc = look(file->fd, uses, denies);
    if (rc == -EAGAIN || rc == -EACCES || rc == -EBUSY)
        return tn_fail(file->host, error, -EBUSY,
                       "%s is in use by another program%s", name,
                       writes ? "" : " that writes to it");
    /* A file system without locks is no reason not to start. */
    if (rc)
        tn_logf(file->host, TN_LOG_WARNING, "%s cannot be locked: %s", name,
                strerror(-rc));
    return 0;
}

/* ---- open and close ---- */

static int open_flags(uint32_t flags)
{
    return O_CLOEXEC | O_NOCTTY |
           (flags & TN_IMAGE_WRITABLE ? O_RDWR : O_RDONLY) |
           (flags & TN_IMAGE_DIRECT ? O_DIRECT : 0);
}

static void file_close(void *self)
{
    struct file *file = self;

    struct flock all = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

    if (file->fd >= 0) {
        /* The kernel may keep the description of a file that had
         * asynchronous transfers for a while after close(), and its locks. */
        (void)fcntl(file->fd, F_OFD_SETLK, &all);
        close(file->fd);
    }
    file->fd = -1;
}

/* "file:name" and "file://name" are names too. */
static const char *plain_name(const char *name)
{
    if (!strncmp(name, "file://", 7))
        return name + 7;
    return strncmp(name, "file:", 5) ? name : name + 5;
}

static int32_t file_open(void *self, const char *name, uint32_t flags,
                         struct tn_error *error)
{
    struct file *file = self;
    struct stat st;
    int32_t rc;

    name = plain_name(name);
    file->flags = flags;
    file->fd = open(name, open_flags(flags) | O_NONBLOCK);
    if (file->fd < 0 && errno == EINVAL && (flags & TN_IMAGE_DIRECT))
        return tn_fail(file->host, error, -EINVAL,
                       "%s: its file system has no direct I/O", name);
    if (file->fd < 0 || fstat(file->fd, &st)) {
        rc = -errno;
        file_close(file);
        return tn_fail(file->host, error, rc, "%s: %s", name, strerror(-rc));
    }
    file->is_device = S_ISBLK(st.st_mode);
    if (!S_ISREG(st.st_mode) && !file->is_device) {
        file_close(file);
        return tn_fail(file->host, error, -EINVAL,
                       "%s is neither a file nor a block device", name);
    }
    rc = lock_file(file, name, error);
    if (rc)
        file_close(file);
    return rc;
}

static void device_info(struct file *file, struct tn_protocol_info *info)
{
    unsigned int physical = 0;
    uint64_t bytes = 0;
    int logical = 0;
    unsigned short rotates = 0;

    if (ioctl(file->fd, BLKGETSIZE64, &bytes) == 0)
        info->bytes = bytes;
    if (ioctl(file->fd, BLKSSZGET, &logical) == 0 && logical >= 512 &&
        (file->flags & TN_IMAGE_DIRECT))
        info->block_bytes = (uint32_t)logical;
    if (ioctl(file->fd, BLKPBSZGET, &physical) == 0)
        info->physical_bytes = physical;
    if (ioctl(file->fd, BLKROTATIONAL, &rotates) == 0 && rotates)
        info->flags |= TN_PROTOCOL_ROTATIONAL;
}

/* What direct I/O demands; without an answer, what every device takes. */
static void direct_info(struct file *file, struct tn_protocol_info *info)
{
    struct statx sx;

    if (!(file->flags & TN_IMAGE_DIRECT))
        return;
    info->memory_alignment = 4096;
    if (!file->is_device)
        info->block_bytes = 4096;
#ifdef STATX_DIOALIGN
    memset(&sx, 0, sizeof sx);
    if (statx(file->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &sx) == 0 &&
        (sx.stx_mask & STATX_DIOALIGN) && sx.stx_dio_offset_align) {
        info->block_bytes = sx.stx_dio_offset_align;
        info->memory_alignment = sx.stx_dio_mem_align;
    }
#else
    (void)sx;
#endif
}

static void file_info(void *self, struct tn_protocol_info *info)
{
    struct file *file = self;
    struct stat st;

    info->flags = TN_PROTOCOL_CAN_DISCARD | TN_PROTOCOL_CAN_ZERO;
    info->fd = file->fd;
    info->block_bytes = 1;
    info->memory_alignment = 1;
    info->physical_bytes = 512;
    info->discard_bytes = 4096;
    if (fstat(file->fd, &st) == 0 && !file->is_device) {
        info->flags |= TN_PROTOCOL_CAN_RESIZE | TN_PROTOCOL_GROWS |
                       TN_PROTOCOL_ZERO_INIT;
        info->bytes = (uint64_t)st.st_size;
        info->allocated = (uint64_t)st.st_blocks * 512;
    }
    direct_info(file, info);
    if (file->is_device)
        device_info(file, info);
}

/* ---- making, sizing, holes ---- */

/* What some file systems offer for a file that is still empty; where they do
 * not there is nothing to say: other images are none the worse for it. */
static void set_attributes(const struct file *file)
{
    const struct tn_props *props = tn_service(file->host, TN_HOST_PROPS);
    uint64_t hint = props->get_uint(file->host, "extent-size-hint");
    struct fsxattr attributes;
    int flags;

    if (props->get_uint(file->host, "nocow") &&
        ioctl(file->fd, FS_IOC_GETFLAGS, &flags) == 0) {
        flags |= FS_NOCOW_FL;
        (void)ioctl(file->fd, FS_IOC_SETFLAGS, &flags);
    }
    if (hint && hint <= UINT32_MAX &&
        ioctl(file->fd, FS_IOC_FSGETXATTR, &attributes) == 0) {
        attributes.fsx_xflags |= FS_XFLAG_EXTSIZE;
        attributes.fsx_extsize = (uint32_t)hint;
        (void)ioctl(file->fd, FS_IOC_FSSETXATTR, &attributes);
    }
}

static int32_t file_make(void *self, const char *name, uint64_t bytes,
                         struct tn_error *error)
{
    struct file *file = self;
    int32_t rc = 0;
    int fd;

    name = plain_name(name);
    fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
    if (fd < 0)
        return tn_fail(file->host, error, -errno, "%s: %s", name,
                       strerror(errno));
    /* Not somebody's running disk. */
    file->fd = fd;
    file->flags = TN_IMAGE_WRITABLE;
    rc = lock_file(file, name, error);
    if (!rc && ftruncate(fd, 0))
        rc = tn_fail(file->host, error, -errno, "%s: %s", name,
                     strerror(errno));
    if (!rc)
        set_attributes(file);
    if (!rc && ftruncate(fd, (off_t)bytes))
        rc = tn_fail(file->host, error, -errno, "%s: %s", name,
                     strerror(errno));
    file_close(file);
    return rc;
}

static int32_t file_resize(void *self, uint64_t bytes, struct tn_error *error)
{
    struct file *file = self;

    if (file->is_device)
        return tn_fail(file->host, error, -ENOTSUP,
                       "a device's size is what it is");
    if (ftruncate(file->fd, (off_t)bytes))
        return tn_fail(file->host, error, -errno, "cannot be resized: %s",
                       strerror(errno));
    return 0;
}

static int32_t file_status(void *self, uint64_t offset, uint64_t *bytes)
{
    struct file *file = self;
    off_t data = lseek(file->fd, (off_t)offset, SEEK_DATA);
    off_t end;

    if (data > (off_t)offset) {
        *bytes = (uint64_t)data - offset;
        return TN_STATUS_HOLE;
    }
    if (data < 0 && errno == ENXIO) {
        *bytes = UINT64_MAX - offset;
        return TN_STATUS_HOLE;
    }
    end = data < 0 ? -1 : lseek(file->fd, (off_t)offset, SEEK_HOLE);
    *bytes = end > (off_t)offset ? (uint64_t)end - offset
                                 : UINT64_MAX - offset;
    return TN_STATUS_DATA;
}

static const struct tn_protocol file_protocol = {
    .size = sizeof file_protocol,
    .schemes = "file",
    .open = file_open,
    .close = file_close,
    .info = file_info,
    .create = file_make,
    .resize = file_resize,
    .status = file_status,
};

static const void *file_interface(void *self, const char *id)
{
    (void)self;
    return strcmp(id, TN_PROTOCOL) ? NULL : &file_protocol;
}

TN_PLUGIN_INFO(plugin_info) = {
    .note = TN_NOTE_HEADER(TN_NOTE_PLUGIN, plugin_info),
    .info = {TN_PLUGIN_INFO_STABLE, .n_components = 1, .id = "proto-file",
             .version = "1.0", .vendor = "Tenon", .licence = "Apache-2.0",
             .summary = "Images in files and on block devices"},
};

TN_COMPONENT_INFO(file_component, 2) = {
    .note = TN_NOTE_HEADER(TN_NOTE_COMPONENT, file_component),
    .info = {TN_COMPONENT_INFO_KIND(TN_KIND_PROTOCOL, 2), .id = "file",
             .summary = "A file or block device of the host"},
    .properties =
        {
            {.name = "extent-size-hint",
             .type = TN_PROP_SIZE,
             .flags = TN_PROP_CREATE,
             .default_value = "1M",
             .doc = "New file: space is taken in such pieces (XFS); 0: as it comes"},
            {.name = "nocow",
             .type = TN_PROP_BOOL,
             .flags = TN_PROP_CREATE,
             .default_value = "no",
             .doc = "New file: it is written in place (btrfs)"},
        },
};

static const struct tn_component_ops file_ops = {
    .size = sizeof file_ops,
    .create = file_create,
    .destroy = file_destroy,
    .get_interface = file_interface,
};

TN_COMPONENT(file, file_component, file_ops);
TN_PLUGIN_ENTRY(plugin_info, &file)
