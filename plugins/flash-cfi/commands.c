/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intel's extended command set (command set 0001h) and the Common Flash
 * Interface query, JEDEC JESD68.01 and JEP137.
 *
 * Drivers send each command to both chips at once, in both halves of a 32-bit
 * word; what they read back stands in both halves too. Programming clears
 * bits and never sets them; erasing sets those of a sector.
 */
#include "flash-cfi.h"

#include <string.h>

enum mode { ARRAY, STATUS, IDENTIFIER, QUERY };
enum expect {
    COMMAND,
    PROGRAM_DATA,
    BUFFER_COUNT,
    BUFFER_DATA,
    BUFFER_CONFIRM,
    ERASE_CONFIRM,
    LOCK_CONFIRM,
};

#define CMD_READ_ARRAY 0xffu
#define CMD_IDENTIFIER 0x90u
#define CMD_QUERY 0x98u
#define CMD_READ_STATUS 0x70u
#define CMD_CLEAR_STATUS 0x50u
#define CMD_PROGRAM 0x40u
#define CMD_PROGRAM_ALTERNATE 0x10u
#define CMD_BUFFER 0xe8u
#define CMD_ERASE 0x20u
#define CMD_LOCK 0x60u
#define CMD_LOCK_DOWN 0x2fu
#define CMD_SET_LOCK 0x01u
#define CMD_CONFIRM 0xd0u
#define CMD_SUSPEND 0xb0u

#define STATUS_READY 0x80u
#define STATUS_ERASE_ERROR 0x20u
#define STATUS_PROGRAM_ERROR 0x10u
#define STATUS_LOCKED 0x02u

#define MANUFACTURER_INTEL 0x89u
#define DEVICE_P30 0x18u

/* VALUE as both chips drive it. */
static uint32_t on_both(uint32_t value)
{
    return value | value << 16;
}

static uint32_t log2_of(uint64_t value)
{
    return 63u - (uint32_t)__builtin_clzll(value);
}

/* One chip's query data, CFI publication 100, by its own address. */
static uint32_t query(const struct flash *f, uint64_t index)
{
    const uint32_t chip_sector = f->sector / CHIPS;
    const uint32_t sectors = (uint32_t)(f->size / f->sector) - 1;

    switch (index) {
    case 0x10:
        return 'Q';
    case 0x11:
        return 'R';
    case 0x12:
        return 'Y';
    case 0x13: /* primary command set: Intel extended */
        return 0x01;
    case 0x15: /* its table */
        return 0x31;
    case 0x1b: /* Vcc 4.5 .. 5.5 V */
        return 0x45;
    case 0x1c:
        return 0x55;
    case 0x1f: /* typical times: 2^n us for a word, for the buffer */
    case 0x20:
        return 7;
    case 0x21: /* 2^n ms for a sector */
        return 10;
    case 0x23: /* most: 2^n times that */
    case 0x24:
    case 0x25:
        return 4;
    case 0x27: /* 2^n bytes a chip */
        return log2_of(f->size / CHIPS);
    case 0x28: /* 16-bit interface */
        return 0x01;
    case 0x2a: /* 2^n bytes of write buffer */
        return log2_of(BUFFER_WORDS * BUS_BYTES / CHIPS);
    case 0x2c: /* one kind of sector: how many less one, size in 256 bytes */
        return 1;
    case 0x2d:
        return sectors & 0xff;
    case 0x2e:
        return sectors >> 8 & 0xff;
    case 0x2f:
        return chip_sector >> 8 & 0xff;
    case 0x30:
        return chip_sector >> 16 & 0xff;
    case 0x31: /* the command set's own table, version 1.0, no extras */
        return 'P';
    case 0x32:
        return 'R';
    case 0x33:
        return 'I';
    case 0x34:
        return '1';
    case 0x35:
        return '0';
    default:
        return 0;
    }
}

static uint32_t identifier(const struct flash *f, uint64_t offset)
{
    switch (offset % f->sector / BUS_BYTES) {
    case 0:
        return MANUFACTURER_INTEL;
    case 1:
        return DEVICE_P30;
    default: /* 2: the sector's lock bit */
        return f->read_only;
    }
}

static uint64_t flash_read(void *opaque, uint64_t offset, uint32_t size)
{
    struct flash *f = opaque;
    uint64_t value = 0;

    switch (f->mode) {
    case STATUS:
        value = on_both(f->status);
        break;
    case IDENTIFIER:
        value = on_both(identifier(f, offset));
        break;
    case QUERY:
        value = on_both(query(f, offset / BUS_BYTES));
        break;
    default:
        if (f->blank)
            return UINT64_MAX;
        memcpy(&value, f->bytes + offset, size);
        return value;
    }
    return value >> 8 * (offset % BUS_BYTES);
}

void flash_apply_mode(struct flash *f)
{
    f->memory->set_rom_readable(
        f->host, f->region,
        f->mode == ARRAY && f->expect == COMMAND && !f->blank);
}

void flash_fill(struct flash *f)
{
    if (!f->blank)
        return;
    memset(f->bytes, 0xff, f->size);
    f->blank = 0;
}

void flash_reset_commands(struct flash *f)
{
    f->mode = ARRAY;
    f->expect = COMMAND;
    f->status = STATUS_READY;
    f->buffer_count = f->buffer_done = 0;
    f->buffer_start = 0;
    flash_apply_mode(f);
}

/* After a load: nothing may reach outside its array. */
int flash_commands_sound(const struct flash *f)
{
    return f->mode <= QUERY && f->expect <= LOCK_CONFIRM &&
           f->buffer_count <= BUFFER_WORDS && f->buffer_done <= BUFFER_WORDS &&
           f->buffer_start < f->size;
}

static void changed(struct flash *f, uint64_t offset, uint64_t bytes)
{
    f->memory->ram_changed(f->host, f->region, offset, bytes);
    image_changed(f, offset, bytes);
}

static void program(struct flash *f, uint64_t offset, uint64_t value,
                    uint32_t size)
{
    if (f->read_only) {
        f->status |= STATUS_PROGRAM_ERROR | STATUS_LOCKED;
        return;
    }
    flash_fill(f);
    for (uint32_t i = 0; i < size; i++)
        f->bytes[offset + i] &= (uint8_t)(value >> 8 * i);
    changed(f, offset, size);
}

static void erase(struct flash *f, uint64_t offset)
{
    uint64_t start = offset - offset % f->sector;

    if (f->read_only) {
        f->status |= STATUS_ERASE_ERROR | STATUS_LOCKED;
        return;
    }
    flash_fill(f);
    memset(f->bytes + start, 0xff, f->sector);
    changed(f, start, f->sector);
}

static void begin_buffer(struct flash *f, uint32_t value)
{
    uint32_t count = (value & 0xffff) + 1;

    f->mode = STATUS;
    if (count > BUFFER_WORDS) {
        f->status |= STATUS_PROGRAM_ERROR | STATUS_ERASE_ERROR;
        f->expect = COMMAND;
        return;
    }
    f->buffer_count = count;
    f->buffer_done = 0;
    memset(f->buffer_set, 0, sizeof f->buffer_set);
    f->expect = BUFFER_DATA;
}

/* Words may come in any order within the buffer after the first's place. */
static void take_buffer(struct flash *f, uint64_t offset, uint32_t value)
{
    uint64_t at;

    if (!f->buffer_done)
        f->buffer_start = offset - offset % BUS_BYTES;
    at = (offset - f->buffer_start) / BUS_BYTES;
    if (offset < f->buffer_start || at >= f->buffer_count) {
        f->status |= STATUS_PROGRAM_ERROR;
    } else {
        f->buffer[at] = value;
        f->buffer_set[at] = 1;
    }
    if (++f->buffer_done >= f->buffer_count)
        f->expect = BUFFER_CONFIRM;
}

static void end_buffer(struct flash *f)
{
    for (uint32_t i = 0; i < f->buffer_count; i++) {
        uint64_t offset = f->buffer_start + (uint64_t)i * BUS_BYTES;

        if (f->buffer_set[i] && offset + BUS_BYTES <= f->size)
            program(f, offset, f->buffer[i], BUS_BYTES);
    }
}

static void command(struct flash *f, uint32_t code)
{
    f->expect = COMMAND;
    switch (code) {
    case CMD_IDENTIFIER:
        f->mode = IDENTIFIER;
        break;
    case CMD_QUERY:
        f->mode = QUERY;
        break;
    case CMD_CLEAR_STATUS:
        f->status = STATUS_READY;
        break;
    case CMD_READ_STATUS:
    case CMD_SUSPEND:
    case CMD_CONFIRM: /* resume */
        f->mode = STATUS;
        break;
    case CMD_PROGRAM:
    case CMD_PROGRAM_ALTERNATE:
        f->mode = STATUS;
        f->expect = PROGRAM_DATA;
        break;
    case CMD_BUFFER:
        f->mode = STATUS;
        f->expect = BUFFER_COUNT;
        break;
    case CMD_ERASE:
        f->mode = STATUS;
        f->expect = ERASE_CONFIRM;
        break;
    case CMD_LOCK:
        f->mode = STATUS;
        f->expect = LOCK_CONFIRM;
        break;
    case CMD_READ_ARRAY:
        f->mode = ARRAY;
        break;
    default: /* drivers probe with 0 and 0xf0, which other chips know */
        f->mode = ARRAY;
    }
}

static void confirm(struct flash *f, uint64_t offset, uint32_t code)
{
    uint32_t expected = f->expect;

    f->expect = COMMAND;
    if (expected == ERASE_CONFIRM && code == CMD_CONFIRM)
        erase(f, offset);
    else if (expected == BUFFER_CONFIRM && code == CMD_CONFIRM)
        end_buffer(f);
    else if (expected != LOCK_CONFIRM ||
             (code != CMD_CONFIRM && code != CMD_SET_LOCK &&
              code != CMD_LOCK_DOWN))
        f->status |= STATUS_PROGRAM_ERROR | STATUS_ERASE_ERROR;
}

static void flash_write(void *opaque, uint64_t offset, uint64_t value,
                        uint32_t size)
{
    struct flash *f = opaque;

    switch (f->expect) {
    case PROGRAM_DATA:
        program(f, offset, value, size);
        f->expect = COMMAND;
        break;
    case BUFFER_COUNT:
        begin_buffer(f, (uint32_t)value);
        break;
    case BUFFER_DATA:
        take_buffer(f, offset, (uint32_t)value);
        break;
    case COMMAND:
        command(f, value & 0xff);
        break;
    default:
        confirm(f, offset, value & 0xff);
    }
    flash_apply_mode(f);
}

const struct tn_region_ops flash_region = {
    .size = sizeof flash_region,
    .min_access = 1,
    .max_access = BUS_BYTES,
    .read = flash_read,
    .write = flash_write,
};
