/* SPDX-License-Identifier: Apache-2.0 */
/* The ABI's layout, written by scripts/abi-layout: offsets never change, a
 * struct only grows. See docs/abi-history.md. */
#include <tenon/abi.h>
#include <tenon/accel.h>
#include <tenon/balloon.h>
#include <tenon/block-plugin.h>
#include <tenon/block.h>
#include <tenon/boot.h>
#include <tenon/char.h>
#include <tenon/clock.h>
#include <tenon/fdt.h>
#include <tenon/host.h>
#include <tenon/ir.h>
#include <tenon/irq.h>
#include <tenon/loop.h>
#include <tenon/memory.h>
#include <tenon/net.h>
#include <tenon/pci.h>
#include <tenon/riscv.h>
#include <tenon/state.h>
#include <tenon/target.h>
#include <tenon/tree.h>
#include <tenon/virtio.h>

#define AT(type, member, offset) \
    _Static_assert(offsetof(struct type, member) == (offset), #type "." #member)
#define SIZE(type, bytes) \
    _Static_assert(sizeof(struct type) >= (bytes), "size of " #type)

#if __SIZEOF_POINTER__ == 8

AT(tn_property, name, 0);
AT(tn_property, type, 32);
AT(tn_property, flags, 36);
AT(tn_property, default_value, 40);
AT(tn_property, minimum, 104);
AT(tn_property, maximum, 128);
AT(tn_property, choices, 152);
AT(tn_property, unit, 344);
AT(tn_property, doc, 360);
SIZE(tn_property, 560);

AT(tn_plugin_info, size, 0);
AT(tn_plugin_info, abi_major, 4);
AT(tn_plugin_info, abi_minor, 8);
AT(tn_plugin_info, needs_minor, 12);
AT(tn_plugin_info, fast_major, 16);
AT(tn_plugin_info, fast_minor, 20);
AT(tn_plugin_info, n_components, 24);
AT(tn_plugin_info, reserved, 28);
AT(tn_plugin_info, id, 32);
AT(tn_plugin_info, version, 80);
AT(tn_plugin_info, vendor, 104);
AT(tn_plugin_info, licence, 168);
AT(tn_plugin_info, summary, 216);
SIZE(tn_plugin_info, 344);

AT(tn_component_info, size, 0);
AT(tn_component_info, kind, 4);
AT(tn_component_info, flags, 8);
AT(tn_component_info, property_size, 12);
AT(tn_component_info, n_properties, 16);
AT(tn_component_info, reserved, 20);
AT(tn_component_info, id, 24);
AT(tn_component_info, bus, 72);
AT(tn_component_info, provides, 104);
AT(tn_component_info, summary, 168);
SIZE(tn_component_info, 328);

AT(tn_note_header, name_size, 0);
AT(tn_note_header, desc_size, 4);
AT(tn_note_header, type, 8);
AT(tn_note_header, name, 12);
SIZE(tn_note_header, 20);

AT(tn_component_ops, size, 0);
AT(tn_component_ops, reserved, 4);
AT(tn_component_ops, create, 8);
AT(tn_component_ops, destroy, 16);
AT(tn_component_ops, configure, 24);
AT(tn_component_ops, realize, 32);
AT(tn_component_ops, unrealize, 40);
AT(tn_component_ops, reset, 48);
AT(tn_component_ops, start, 56);
AT(tn_component_ops, stop, 64);
AT(tn_component_ops, quiesce, 72);
AT(tn_component_ops, get_interface, 80);
SIZE(tn_component_ops, 88);

AT(tn_component, size, 0);
AT(tn_component, reserved, 4);
AT(tn_component, info, 8);
AT(tn_component, ops, 16);
SIZE(tn_component, 24);

AT(tn_plugin, size, 0);
AT(tn_plugin, reserved, 4);
AT(tn_plugin, info, 8);
AT(tn_plugin, components, 16);
SIZE(tn_plugin, 24);

AT(tn_entry_args, size, 0);
AT(tn_entry_args, abi_major, 4);
AT(tn_entry_args, abi_minor, 8);
AT(tn_entry_args, fast_major, 12);
AT(tn_entry_args, fast_minor, 16);
SIZE(tn_entry_args, 20);

AT(tn_backing, size, 0);
AT(tn_backing, flags, 4);
AT(tn_backing, start, 8);
AT(tn_backing, last, 16);
AT(tn_backing, memory, 24);
AT(tn_backing, page_flags, 32);
AT(tn_backing, ram_offset, 40);
SIZE(tn_backing, 48);

AT(tn_guestmem, size, 0);
AT(tn_guestmem, reserved, 4);
AT(tn_guestmem, resolve, 8);
AT(tn_guestmem, io_read, 16);
AT(tn_guestmem, io_write, 24);
AT(tn_guestmem, ram_bytes, 32);
SIZE(tn_guestmem, 40);

AT(tn_accel, size, 0);
AT(tn_accel, reserved, 4);
AT(tn_accel, attach, 8);
AT(tn_accel, vcpu_new, 16);
AT(tn_accel, vcpu_free, 24);
AT(tn_accel, vcpu_changed, 32);
AT(tn_accel, run, 40);
AT(tn_accel, request, 48);
AT(tn_accel, code_written, 56);
AT(tn_accel, map_changed, 64);
AT(tn_accel, dirty_log_started, 72);
AT(tn_accel, statistics, 80);
SIZE(tn_accel, 88);

AT(tn_balloon_stats, size, 0);
AT(tn_balloon_stats, known, 4);
AT(tn_balloon_stats, time, 8);
AT(tn_balloon_stats, value, 16);
SIZE(tn_balloon_stats, 144);

AT(tn_balloon, size, 0);
AT(tn_balloon, reserved, 4);
AT(tn_balloon, set_target, 8);
AT(tn_balloon, actual, 16);
AT(tn_balloon, stats, 24);
SIZE(tn_balloon, 32);

AT(tn_protocol_info, size, 0);
AT(tn_protocol_info, flags, 4);
AT(tn_protocol_info, bytes, 8);
AT(tn_protocol_info, block_bytes, 16);
AT(tn_protocol_info, memory_alignment, 20);
AT(tn_protocol_info, physical_bytes, 24);
AT(tn_protocol_info, optimal_bytes, 28);
AT(tn_protocol_info, discard_bytes, 32);
AT(tn_protocol_info, fd, 36);
AT(tn_protocol_info, allocated, 40);
AT(tn_protocol_info, serial, 48);
SIZE(tn_protocol_info, 112);

AT(tn_protocol_request, size, 0);
AT(tn_protocol_request, op, 4);
AT(tn_protocol_request, flags, 8);
AT(tn_protocol_request, n_iov, 12);
AT(tn_protocol_request, offset, 16);
AT(tn_protocol_request, bytes, 24);
AT(tn_protocol_request, iov, 32);
AT(tn_protocol_request, done, 40);
AT(tn_protocol_request, opaque, 48);
AT(tn_protocol_request, plugin, 56);
SIZE(tn_protocol_request, 88);

AT(tn_children, size, 0);
AT(tn_children, reserved, 4);
AT(tn_children, open, 8);
AT(tn_children, close, 16);
AT(tn_children, info, 24);
AT(tn_children, submit, 32);
AT(tn_children, resize, 40);
AT(tn_children, status, 48);
AT(tn_children, create, 56);
AT(tn_children, later, 64);
SIZE(tn_children, 72);

AT(tn_secrets, size, 0);
AT(tn_secrets, reserved, 4);
AT(tn_secrets, get, 8);
SIZE(tn_secrets, 16);

AT(tn_protocol, size, 0);
AT(tn_protocol, reserved, 4);
AT(tn_protocol, schemes, 8);
AT(tn_protocol, open, 16);
AT(tn_protocol, close, 24);
AT(tn_protocol, info, 32);
AT(tn_protocol, create, 40);
AT(tn_protocol, submit, 48);
AT(tn_protocol, resize, 56);
AT(tn_protocol, status, 64);
SIZE(tn_protocol, 72);

AT(tn_image, size, 0);
AT(tn_image, reserved, 4);
AT(tn_image, length, 8);
AT(tn_image, set_block, 16);
AT(tn_image, read, 24);
AT(tn_image, write, 32);
AT(tn_image, order, 40);
AT(tn_image, flush, 48);
AT(tn_image, release, 56);
AT(tn_image, pread, 64);
AT(tn_image, pwrite, 72);
AT(tn_image, set_length, 80);
AT(tn_image, add_file, 88);
AT(tn_image, allocate, 96);
AT(tn_image, free, 104);
AT(tn_image, drop, 112);
AT(tn_image, create_file, 120);
AT(tn_image, preallocate, 128);
AT(tn_image, name, 136);
AT(tn_image, want_flush, 144);
SIZE(tn_image, 152);

AT(tn_extent, kind, 0);
AT(tn_extent, flags, 4);
AT(tn_extent, file, 8);
AT(tn_extent, codec, 12);
AT(tn_extent, offset, 16);
AT(tn_extent, bytes, 24);
AT(tn_extent, at, 32);
AT(tn_extent, stored, 40);
AT(tn_extent, unit, 48);
AT(tn_extent, unit_bytes, 56);
SIZE(tn_extent, 64);

AT(tn_allocation, size, 0);
AT(tn_allocation, file, 4);
AT(tn_allocation, offset, 8);
AT(tn_allocation, bytes, 16);
AT(tn_allocation, at, 24);
AT(tn_allocation, flags, 32);
AT(tn_allocation, fresh, 36);
AT(tn_allocation, plugin, 40);
AT(tn_allocation, stored, 72);
AT(tn_allocation, codec, 80);
AT(tn_allocation, reserved, 84);
SIZE(tn_allocation, 88);

AT(tn_encode, size, 0);
AT(tn_encode, codec, 4);
AT(tn_encode, offset, 8);
AT(tn_encode, data, 16);
AT(tn_encode, bytes, 24);
AT(tn_encode, stored, 32);
AT(tn_encode, room, 40);
SIZE(tn_encode, 48);

AT(tn_image_info, size, 0);
AT(tn_image_info, flags, 4);
AT(tn_image_info, bytes, 8);
AT(tn_image_info, cluster_bytes, 16);
AT(tn_image_info, change_bytes, 20);
AT(tn_image_info, backing, 24);
AT(tn_image_info, backing_format, 1048);
AT(tn_image_info, format_version, 1112);
AT(tn_image_info, compress_bytes, 1144);
AT(tn_image_info, codec, 1148);
AT(tn_image_info, block_bytes, 1152);
AT(tn_image_info, reserved, 1156);
AT(tn_image_info, content_id, 1160);
AT(tn_image_info, backing_id, 1224);
AT(tn_image_info, state_bytes, 1288);
SIZE(tn_image_info, 1296);

AT(tn_check, size, 0);
AT(tn_check, repair, 4);
AT(tn_check, corruptions, 8);
AT(tn_check, leaks, 16);
AT(tn_check, corruptions_fixed, 24);
AT(tn_check, leaks_fixed, 32);
AT(tn_check, allocated_clusters, 40);
AT(tn_check, total_clusters, 48);
AT(tn_check, compressed_clusters, 56);
AT(tn_check, fragmented_clusters, 64);
AT(tn_check, image_end, 72);
AT(tn_check, message, 80);
AT(tn_check, opaque, 88);
SIZE(tn_check, 96);

AT(tn_image_snapshot, size, 0);
AT(tn_image_snapshot, index, 4);
AT(tn_image_snapshot, id, 8);
AT(tn_image_snapshot, name, 72);
AT(tn_image_snapshot, bytes, 328);
AT(tn_image_snapshot, state_bytes, 336);
AT(tn_image_snapshot, date_seconds, 344);
AT(tn_image_snapshot, date_nanoseconds, 352);
AT(tn_image_snapshot, reserved, 356);
AT(tn_image_snapshot, clock_nanoseconds, 360);
SIZE(tn_image_snapshot, 368);

AT(tn_image_bitmap, size, 0);
AT(tn_image_bitmap, index, 4);
AT(tn_image_bitmap, name, 8);
AT(tn_image_bitmap, granularity, 1032);
AT(tn_image_bitmap, flags, 1040);
AT(tn_image_bitmap, reserved, 1044);
SIZE(tn_image_bitmap, 1048);

AT(tn_measure, size, 0);
AT(tn_measure, reserved, 4);
AT(tn_measure, data_bytes, 8);
AT(tn_measure, cluster_bytes, 16);
AT(tn_measure, required, 24);
AT(tn_measure, fully_allocated, 32);
SIZE(tn_measure, 40);

AT(tn_create, size, 0);
AT(tn_create, reserved, 4);
AT(tn_create, bytes, 8);
AT(tn_create, backing, 16);
AT(tn_create, backing_format, 24);
AT(tn_create, backing_bytes, 32);
AT(tn_create, backing_id, 40);
SIZE(tn_create, 48);

AT(tn_base, size, 0);
AT(tn_base, reserved, 4);
AT(tn_base, name, 8);
AT(tn_base, format, 16);
AT(tn_base, id, 24);
SIZE(tn_base, 32);

AT(tn_amend, size, 0);
AT(tn_amend, n, 4);
AT(tn_amend, names, 8);
AT(tn_amend, values, 16);
AT(tn_amend, force, 24);
AT(tn_amend, reserved, 28);
SIZE(tn_amend, 32);

AT(tn_format, size, 0);
AT(tn_format, reserved, 4);
AT(tn_format, probe, 8);
AT(tn_format, open, 16);
AT(tn_format, close, 24);
AT(tn_format, map, 32);
AT(tn_format, allocate, 40);
AT(tn_format, commit, 48);
AT(tn_format, cancel, 56);
AT(tn_format, change, 64);
AT(tn_format, release, 72);
AT(tn_format, decode, 80);
AT(tn_format, encode, 88);
AT(tn_format, transform, 96);
AT(tn_format, create, 104);
AT(tn_format, resize, 112);
AT(tn_format, check, 120);
AT(tn_format, set_backing, 128);
AT(tn_format, snapshot_info, 136);
AT(tn_format, snapshot, 144);
AT(tn_format, describe, 152);
AT(tn_format, written, 160);
AT(tn_format, before_flush, 168);
AT(tn_format, state_io, 176);
AT(tn_format, bitmap_info, 184);
AT(tn_format, bitmap, 192);
AT(tn_format, bitmap_bits, 200);
AT(tn_format, amend, 208);
AT(tn_format, measure, 216);
AT(tn_format, used, 224);
AT(tn_format, set_base, 232);
SIZE(tn_format, 240);

AT(tn_iovec, base, 0);
AT(tn_iovec, bytes, 8);
SIZE(tn_iovec, 16);

AT(tn_disk_request, size, 0);
AT(tn_disk_request, op, 4);
AT(tn_disk_request, flags, 8);
AT(tn_disk_request, n_iov, 12);
AT(tn_disk_request, offset, 16);
AT(tn_disk_request, bytes, 24);
AT(tn_disk_request, iov, 32);
AT(tn_disk_request, done, 40);
AT(tn_disk_request, opaque, 48);
AT(tn_disk_request, host, 56);
SIZE(tn_disk_request, 120);

AT(tn_disk_info, size, 0);
AT(tn_disk_info, flags, 4);
AT(tn_disk_info, bytes, 8);
AT(tn_disk_info, block_bytes, 16);
AT(tn_disk_info, physical_bytes, 20);
AT(tn_disk_info, optimal_bytes, 24);
AT(tn_disk_info, discard_bytes, 28);
AT(tn_disk_info, max_transfer_bytes, 32);
AT(tn_disk_info, max_discard_bytes, 40);
AT(tn_disk_info, serial, 48);
SIZE(tn_disk_info, 112);

AT(tn_disk_handlers, size, 0);
AT(tn_disk_handlers, reserved, 4);
AT(tn_disk_handlers, changed, 8);
SIZE(tn_disk_handlers, 16);

AT(tn_blocks, size, 0);
AT(tn_blocks, reserved, 4);
AT(tn_blocks, open, 8);
AT(tn_blocks, close, 16);
AT(tn_blocks, info, 24);
AT(tn_blocks, submit, 32);
AT(tn_blocks, drain, 40);
AT(tn_blocks, set_writeback, 48);
SIZE(tn_blocks, 56);

AT(tn_boot, size, 0);
AT(tn_boot, reserved, 4);
AT(tn_boot, boot, 8);
SIZE(tn_boot, 16);

AT(tn_boot_chosen, size, 0);
AT(tn_boot_chosen, reserved, 4);
AT(tn_boot_chosen, bootargs, 8);
AT(tn_boot_chosen, initrd_start, 16);
AT(tn_boot_chosen, initrd_end, 24);
AT(tn_boot_chosen, rng_seed, 32);
AT(tn_boot_chosen, rng_seed_bytes, 40);
AT(tn_boot_chosen, reserved2, 44);
SIZE(tn_boot_chosen, 48);

AT(tn_elf_image, size, 0);
AT(tn_elf_image, machine, 4);
AT(tn_elf_image, bits, 8);
AT(tn_elf_image, big_endian, 12);
AT(tn_elf_image, entry, 16);
AT(tn_elf_image, low, 24);
AT(tn_elf_image, high, 32);
SIZE(tn_elf_image, 40);

AT(tn_boot_services, size, 0);
AT(tn_boot_services, reserved, 4);
AT(tn_boot_services, read_file, 8);
AT(tn_boot_services, read_raw_file, 16);
AT(tn_boot_services, free_data, 24);
AT(tn_boot_services, write, 32);
AT(tn_boot_services, load_elf, 40);
AT(tn_boot_services, device_tree, 48);
AT(tn_boot_services, device_tree_from, 56);
AT(tn_boot_services, set_register, 64);
AT(tn_boot_services, get_register, 72);
AT(tn_boot_services, cpu_count, 80);
AT(tn_boot_services, main_memory, 88);
AT(tn_boot_services, target_name, 96);
SIZE(tn_boot_services, 104);

AT(tn_char_handlers, size, 0);
AT(tn_char_handlers, reserved, 4);
AT(tn_char_handlers, can_receive, 8);
AT(tn_char_handlers, receive, 16);
AT(tn_char_handlers, event, 24);
AT(tn_char_handlers, writable, 32);
SIZE(tn_char_handlers, 40);

AT(tn_chars, size, 0);
AT(tn_chars, reserved, 4);
AT(tn_chars, open, 8);
AT(tn_chars, close, 16);
AT(tn_chars, write, 24);
AT(tn_chars, accept, 32);
AT(tn_chars, is_open, 40);
AT(tn_chars, send_break, 48);
AT(tn_chars, flush, 56);
SIZE(tn_chars, 64);

AT(tn_char_sink, size, 0);
AT(tn_char_sink, reserved, 4);
AT(tn_char_sink, room, 8);
AT(tn_char_sink, receive, 16);
AT(tn_char_sink, event, 24);
AT(tn_char_sink, writable, 32);
SIZE(tn_char_sink, 40);

AT(tn_char, size, 0);
AT(tn_char, reserved, 4);
AT(tn_char, attach, 8);
AT(tn_char, write, 16);
AT(tn_char, wanted, 24);
AT(tn_char, send_break, 32);
SIZE(tn_char, 40);

AT(tn_clock, size, 0);
AT(tn_clock, reserved, 4);
AT(tn_clock, now, 8);
AT(tn_clock, new_timer, 16);
AT(tn_clock, free_timer, 24);
AT(tn_clock, set_timer, 32);
AT(tn_clock, cancel_timer, 40);
SIZE(tn_clock, 48);

AT(tn_fdt, size, 0);
AT(tn_fdt, reserved, 4);
AT(tn_fdt, builder, 8);
AT(tn_fdt, begin, 16);
AT(tn_fdt, end, 24);
AT(tn_fdt, u32, 32);
AT(tn_fdt, u64, 40);
AT(tn_fdt, string, 48);
AT(tn_fdt, bytes, 56);
AT(tn_fdt, empty, 64);
AT(tn_fdt, phandle, 72);
AT(tn_fdt, set_phandle, 80);
AT(tn_fdt, reg, 88);
AT(tn_fdt, interrupts, 96);
AT(tn_fdt, output, 104);
SIZE(tn_fdt, 112);

AT(tn_fdt_node, size, 0);
AT(tn_fdt_node, reserved, 4);
AT(tn_fdt_node, describe, 8);
AT(tn_fdt_node, irq_cells, 16);
AT(tn_fdt_node, describe_chosen, 24);
SIZE(tn_fdt_node, 32);

AT(tn_host, service, 0);
SIZE(tn_host, 8);

AT(tn_log, size, 0);
AT(tn_log, reserved, 4);
AT(tn_log, write, 8);
AT(tn_log, set_error, 16);
AT(tn_log, enabled, 24);
SIZE(tn_log, 32);

AT(tn_props, size, 0);
AT(tn_props, reserved, 4);
AT(tn_props, is_set, 8);
AT(tn_props, get_uint, 16);
AT(tn_props, get_int, 24);
AT(tn_props, get_string, 32);
AT(tn_props, count, 40);
AT(tn_props, get_item, 48);
AT(tn_props, get_item_uint, 56);
AT(tn_props, get_mac, 64);
AT(tn_props, instance_id, 72);
SIZE(tn_props, 80);

AT(tn_ir_op, op, 0);
AT(tn_ir_op, type, 2);
AT(tn_ir_op, flags, 3);
AT(tn_ir_op, a, 4);
AT(tn_ir_op, b, 8);
AT(tn_ir_op, c, 12);
SIZE(tn_ir_op, 16);

AT(tn_ir_unit, size, 0);
AT(tn_ir_unit, n_ops, 4);
AT(tn_ir_unit, max_ops, 8);
AT(tn_ir_unit, n_labels, 12);
AT(tn_ir_unit, n_locals, 16);
AT(tn_ir_unit, overflow, 20);
AT(tn_ir_unit, n_insns, 24);
AT(tn_ir_unit, n_bytes, 28);
AT(tn_ir_unit, pc, 32);
AT(tn_ir_unit, key_used, 40);
AT(tn_ir_unit, ops, 48);
AT(tn_ir_unit, local_type, 56);
SIZE(tn_ir_unit, 88);

AT(tn_irqs, size, 0);
AT(tn_irqs, reserved, 4);
AT(tn_irqs, output, 8);
AT(tn_irqs, set, 16);
AT(tn_irqs, is_wired, 24);
AT(tn_irqs, inputs, 32);
AT(tn_irqs, cpu_line, 40);
AT(tn_irqs, wire, 48);
SIZE(tn_irqs, 56);

AT(tn_loop, size, 0);
AT(tn_loop, reserved, 4);
AT(tn_loop, watch, 8);
AT(tn_loop, set_events, 16);
AT(tn_loop, unwatch, 24);
AT(tn_loop, new_task, 32);
AT(tn_loop, free_task, 40);
AT(tn_loop, schedule, 48);
AT(tn_loop, work, 56);
SIZE(tn_loop, 64);

AT(tn_region_ops, size, 0);
AT(tn_region_ops, flags, 4);
AT(tn_region_ops, min_access, 8);
AT(tn_region_ops, max_access, 12);
AT(tn_region_ops, read, 16);
AT(tn_region_ops, write, 24);
SIZE(tn_region_ops, 32);

AT(tn_memory, size, 0);
AT(tn_memory, reserved, 4);
AT(tn_memory, new_mmio, 8);
AT(tn_memory, new_ram, 16);
AT(tn_memory, new_container, 24);
AT(tn_memory, new_alias, 32);
AT(tn_memory, free_region, 40);
AT(tn_memory, map, 48);
AT(tn_memory, unmap, 56);
AT(tn_memory, set_rom_ops, 64);
AT(tn_memory, set_rom_readable, 72);
AT(tn_memory, ram_changed, 80);
AT(tn_memory, dma_read, 88);
AT(tn_memory, dma_write, 96);
AT(tn_memory, dma_map, 104);
AT(tn_memory, dma_unmap, 112);
AT(tn_memory, dma_dirty, 120);
AT(tn_memory, generation, 128);
AT(tn_memory, region_address, 136);
AT(tn_memory, discard, 144);
SIZE(tn_memory, 152);

AT(tn_net_frame, size, 0);
AT(tn_net_frame, flags, 4);
AT(tn_net_frame, gso, 8);
AT(tn_net_frame, gso_bytes, 12);
AT(tn_net_frame, header_bytes, 14);
AT(tn_net_frame, csum_start, 16);
AT(tn_net_frame, csum_offset, 18);
AT(tn_net_frame, n_iov, 20);
AT(tn_net_frame, iov, 24);
SIZE(tn_net_frame, 32);

AT(tn_net_handlers, size, 0);
AT(tn_net_handlers, reserved, 4);
AT(tn_net_handlers, receive, 8);
AT(tn_net_handlers, writable, 16);
AT(tn_net_handlers, link_changed, 24);
SIZE(tn_net_handlers, 32);

AT(tn_net_info, size, 0);
AT(tn_net_info, link, 4);
AT(tn_net_info, mtu, 8);
AT(tn_net_info, speed, 12);
AT(tn_net_info, queues, 16);
AT(tn_net_info, has_mac, 20);
AT(tn_net_info, mac, 24);
SIZE(tn_net_info, 32);

AT(tn_nets, size, 0);
AT(tn_nets, reserved, 4);
AT(tn_nets, open, 8);
AT(tn_nets, close, 16);
AT(tn_nets, info, 24);
AT(tn_nets, send, 32);
AT(tn_nets, set_offloads, 40);
AT(tn_nets, set_queues, 48);
AT(tn_nets, accept, 56);
AT(tn_nets, set_active, 64);
SIZE(tn_nets, 72);

AT(tn_net_sink, size, 0);
AT(tn_net_sink, reserved, 4);
AT(tn_net_sink, receive, 8);
AT(tn_net_sink, writable, 16);
AT(tn_net_sink, set_link, 24);
SIZE(tn_net_sink, 32);

AT(tn_net, size, 0);
AT(tn_net, reserved, 4);
AT(tn_net, attach, 8);
AT(tn_net, info, 16);
AT(tn_net, offloads, 24);
AT(tn_net, send, 32);
AT(tn_net, wanted, 40);
AT(tn_net, set_offloads, 48);
AT(tn_net, set_queues, 56);
SIZE(tn_net, 64);

AT(tn_pci_function, size, 0);
AT(tn_pci_function, reserved, 4);
AT(tn_pci_function, config_read, 8);
AT(tn_pci_function, config_write, 16);
AT(tn_pci_function, bus_reset, 24);
SIZE(tn_pci_function, 32);

AT(tn_pci_bus, size, 0);
AT(tn_pci_bus, reserved, 4);
AT(tn_pci_bus, attach, 8);
AT(tn_pci_bus, detach, 16);
AT(tn_pci_bus, address, 24);
AT(tn_pci_bus, map, 32);
AT(tn_pci_bus, unmap, 40);
AT(tn_pci_bus, set_intx, 48);
AT(tn_pci_bus, send_msi, 56);
SIZE(tn_pci_bus, 64);

AT(tn_riscv_imsic, size, 0);
AT(tn_riscv_imsic, reserved, 4);
AT(tn_riscv_imsic, has_level, 8);
AT(tn_riscv_imsic, read, 16);
AT(tn_riscv_imsic, write, 24);
AT(tn_riscv_imsic, top, 32);
AT(tn_riscv_imsic, claim, 40);
SIZE(tn_riscv_imsic, 48);

AT(tn_riscv_harts, size, 0);
AT(tn_riscv_harts, reserved, 4);
AT(tn_riscv_harts, attach_imsic, 8);
AT(tn_riscv_harts, detach_imsic, 16);
SIZE(tn_riscv_harts, 24);

AT(tn_field, size, 0);
AT(tn_field, type, 4);
AT(tn_field, name, 8);
AT(tn_field, offset, 40);
AT(tn_field, width, 48);
AT(tn_field, count, 52);
AT(tn_field, stride, 56);
AT(tn_field, since, 60);
SIZE(tn_field, 64);

AT(tn_state, size, 0);
AT(tn_state, version, 4);
AT(tn_state, oldest, 8);
AT(tn_state, n_fields, 12);
AT(tn_state, field_size, 16);
AT(tn_state, reserved, 20);
AT(tn_state, fields, 24);
AT(tn_state, before_save, 32);
AT(tn_state, loaded, 40);
SIZE(tn_state, 48);

AT(tn_exception, size, 0);
AT(tn_exception, code, 4);
AT(tn_exception, access, 8);
AT(tn_exception, insn_info, 12);
AT(tn_exception, value, 16);
AT(tn_exception, value2, 24);
AT(tn_exception, pc, 32);
SIZE(tn_exception, 40);

AT(tn_walk, size, 0);
AT(tn_walk, access, 4);
AT(tn_walk, mode, 8);
AT(tn_walk, flags, 12);
AT(tn_walk, va, 16);
AT(tn_walk, pa, 24);
AT(tn_walk, page_bits, 32);
AT(tn_walk, prot, 36);
AT(tn_walk, global, 40);
AT(tn_walk, bytes, 44);
AT(tn_walk, exception, 48);
SIZE(tn_walk, 88);

AT(tn_cpu_services, size, 0);
AT(tn_cpu_services, reserved, 4);
AT(tn_cpu_services, raise, 8);
AT(tn_cpu_services, kick, 16);
AT(tn_cpu_services, tlb_flush, 24);
AT(tn_cpu_services, set_space, 32);
AT(tn_cpu_services, code_sync, 40);
AT(tn_cpu_services, load, 48);
AT(tn_cpu_services, store, 56);
AT(tn_cpu_services, probe, 64);
AT(tn_cpu_services, phys_load, 72);
AT(tn_cpu_services, phys_cas, 80);
AT(tn_cpu_services, broadcast, 88);
SIZE(tn_cpu_services, 96);

AT(tn_cpu, request, 0);
AT(tn_cpu, index, 4);
AT(tn_cpu, key, 8);
AT(tn_cpu, fp_flags, 16);
AT(tn_cpu, fp_rm, 20);
AT(tn_cpu, services, 24);
AT(tn_cpu, target, 32);
AT(tn_cpu, accel, 40);
AT(tn_cpu, accel_hot, 48);
SIZE(tn_cpu, 128);

AT(tn_reg, name, 0);
AT(tn_reg, offset, 16);
AT(tn_reg, bits, 20);
AT(tn_reg, cls, 22);
AT(tn_reg, role, 23);
AT(tn_reg, flags, 24);
AT(tn_reg, hotness, 26);
AT(tn_reg, big_endian, 27);
AT(tn_reg, alias_of, 28);
AT(tn_reg, alias_bit, 32);
AT(tn_reg, debugger_number, 36);
SIZE(tn_reg, 40);

AT(tn_helper, name, 0);
AT(tn_helper, fn, 32);
AT(tn_helper, flags, 40);
AT(tn_helper, reserved, 44);
SIZE(tn_helper, 48);

AT(tn_fp_profile, size, 0);
AT(tn_fp_profile, nan_rule, 4);
AT(tn_fp_profile, default_nan_negative, 8);
AT(tn_fp_profile, tiny_before_rounding, 12);
AT(tn_fp_profile, to_int, 16);
AT(tn_fp_profile, flush_results, 20);
AT(tn_fp_profile, flush_inputs, 24);
AT(tn_fp_profile, legacy_nan, 28);
SIZE(tn_fp_profile, 32);

AT(tn_cpu_line, name, 0);
SIZE(tn_cpu_line, 16);

AT(tn_target_info, size, 0);
AT(tn_target_info, reserved, 4);
AT(tn_target_info, name, 8);
AT(tn_target_info, address_bits, 40);
AT(tn_target_info, phys_bits, 44);
AT(tn_target_info, big_endian, 48);
AT(tn_target_info, page_bits, 52);
AT(tn_target_info, insn_align, 56);
AT(tn_target_info, max_insn_bytes, 60);
AT(tn_target_info, state_bytes, 64);
AT(tn_target_info, n_regs, 68);
AT(tn_target_info, reg_size, 72);
AT(tn_target_info, n_helpers, 76);
AT(tn_target_info, helper_size, 80);
AT(tn_target_info, n_profiles, 84);
AT(tn_target_info, n_lines, 88);
AT(tn_target_info, code_needs_sync, 92);
AT(tn_target_info, memory_model, 96);
AT(tn_target_info, reserved2, 100);
AT(tn_target_info, regs, 104);
AT(tn_target_info, helpers, 112);
AT(tn_target_info, profiles, 120);
AT(tn_target_info, lines, 128);
AT(tn_target_info, state_names, 136);
AT(tn_target_info, n_state_names, 144);
AT(tn_target_info, reserved3, 148);
SIZE(tn_target_info, 152);

AT(tn_decode, size, 0);
AT(tn_decode, max_insns, 4);
AT(tn_decode, pc, 8);
AT(tn_decode, key, 16);
AT(tn_decode, unit, 24);
AT(tn_decode, fetch, 32);
AT(tn_decode, opaque, 40);
AT(tn_decode, fault_va, 48);
SIZE(tn_decode, 56);

AT(tn_target, size, 0);
AT(tn_target, reserved, 4);
AT(tn_target, info, 8);
AT(tn_target, cpu_init, 16);
AT(tn_target, cpu_fini, 24);
AT(tn_target, cpu_reset, 32);
AT(tn_target, decode, 40);
AT(tn_target, fetch_mode, 48);
AT(tn_target, walk, 56);
AT(tn_target, irq_pending, 64);
AT(tn_target, take_irq, 72);
AT(tn_target, take_exception, 80);
AT(tn_target, set_line, 88);
AT(tn_target, read_reg, 96);
AT(tn_target, write_reg, 104);
AT(tn_target, describe_cpu, 112);
AT(tn_target, lister, 120);
AT(tn_target, resume, 128);
SIZE(tn_target, 136);

AT(tn_tree, size, 0);
AT(tn_tree, reserved, 4);
AT(tn_tree, parent, 8);
AT(tn_tree, find, 16);
AT(tn_tree, child, 24);
AT(tn_tree, interface_, 32);
AT(tn_tree, enter, 40);
AT(tn_tree, leave, 48);
AT(tn_tree, peer_id, 56);
AT(tn_tree, cpu_count, 64);
AT(tn_tree, ram_size, 72);
AT(tn_tree, request, 80);
AT(tn_tree, slot, 88);
SIZE(tn_tree, 96);

AT(tn_virtio_chain, size, 0);
AT(tn_virtio_chain, queue, 4);
AT(tn_virtio_chain, n_out, 8);
AT(tn_virtio_chain, n_in, 12);
AT(tn_virtio_chain, out, 16);
AT(tn_virtio_chain, in, 24);
AT(tn_virtio_chain, out_bytes, 32);
AT(tn_virtio_chain, in_bytes, 40);
AT(tn_virtio_chain, room, 48);
SIZE(tn_virtio_chain, 56);

AT(tn_virtio_device, size, 0);
AT(tn_virtio_device, device_id, 4);
AT(tn_virtio_device, pci_class, 8);
AT(tn_virtio_device, chain_room, 12);
AT(tn_virtio_device, queue_count, 16);
AT(tn_virtio_device, queue_size, 24);
AT(tn_virtio_device, features, 32);
AT(tn_virtio_device, set_features, 40);
AT(tn_virtio_device, config_size, 48);
AT(tn_virtio_device, config_read, 56);
AT(tn_virtio_device, config_write, 64);
AT(tn_virtio_device, reset, 72);
AT(tn_virtio_device, status, 80);
AT(tn_virtio_device, queue_ready, 88);
AT(tn_virtio_device, notify, 96);
SIZE(tn_virtio_device, 104);

AT(tn_virtio_transport, size, 0);
AT(tn_virtio_transport, reserved, 4);
AT(tn_virtio_transport, attach, 8);
AT(tn_virtio_transport, detach, 16);
AT(tn_virtio_transport, features, 24);
AT(tn_virtio_transport, get_status, 32);
AT(tn_virtio_transport, is_ready, 40);
AT(tn_virtio_transport, pop, 48);
AT(tn_virtio_transport, unpop, 56);
AT(tn_virtio_transport, available, 64);
AT(tn_virtio_transport, push, 72);
AT(tn_virtio_transport, flush, 80);
AT(tn_virtio_transport, config_changed, 88);
AT(tn_virtio_transport, needs_reset, 96);
AT(tn_virtio_transport, kick, 104);
AT(tn_virtio_transport, in_address, 112);
SIZE(tn_virtio_transport, 120);

#endif

int main(void)
{
    return 0;
}
