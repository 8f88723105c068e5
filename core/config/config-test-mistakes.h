/* SPDX-License-Identifier: Apache-2.0 */
/* Mistakes in machine files and how they are told; part of config-test.c. */
static const struct mistake mistakes[] = {
    {"unknown property",
     MACHINE "[disk root]\n"
             "imge = x\n",
     NULL,
     "vm.conf:4: [disk root] unknown property 'imge'; did you mean "
     "'image'?\n"},
    {"unknown property without likeness",
     MACHINE "[disk root]\n"
             "image = x\n"
             "qqqqqqqq = 1\n",
     NULL, "vm.conf:5: [disk root] unknown property 'qqqqqqqq'\n"},
    {"every mistake is reported",
     MACHINE "cpus = 0\n"
             "memry = 1G\n"
             "[disk root]\n"
             "image = x\n"
             "timeout = 20h\n",
     NULL,
     "vm.conf:3: [machine] cpus: 0 is less than the minimum, 1\n"
     "vm.conf:4: [machine] unknown property 'memry'; did you mean "
     "'memory'?\n"
     "vm.conf:7: [disk root] timeout: '20h' is not a time (a number "
     "with ns, us, ms or s)\n"},
    {"no board",
     "[machine]\n"
     "cpus = 1\n",
     NULL,
     "vm.conf:1: [machine] no board: 'board = NAME' is missing (tenon "
     "list boards)\n"
     "vm.conf:1: [machine] no accelerator is installed: 'kvm', 'tcg', "
     "'interp'\n"},
    {"unknown board",
     "[machine]\n"
     "board = tyo\n"
     "[disk a]\n"
     "image = x\n",
     NULL,
     "vm.conf:2: no board 'tyo'; did you mean 'toy'?\n"
     "vm.conf:1: [machine] no accelerator is installed: 'kvm', 'tcg', "
     "'interp'\n"},
    {"no board file",
     "[machine]\n"
     "board = ./no.board\n",
     NULL,
     "vm.conf:2: no board file './no.board'\n"
     "vm.conf:1: [machine] no accelerator is installed: 'kvm', 'tcg', "
     "'interp'\n"},
    {"missing component names its package",
     MACHINE "[device rng]\n"
             "component = virtio-rng\n"
             "rate = 7\n",
     NULL,
     "vm.conf:4: [device rng] no device 'virtio-rng' is installed (the "
     "package tenon-dev-virtio-rng provides it)\n"},
    {"misspelt component",
     MACHINE "[device u]\n"
             "component = uarrt\n",
     NULL,
     "vm.conf:4: [device u] no device 'uarrt' is installed; did you "
     "mean 'uart'?\n"},
    {"component of another kind",
     MACHINE "[net n]\n"
             "backend = stdio\n"
             "device = virtio-net\n",
     NULL,
     "vm.conf:4: [net n] no network back-end 'stdio' is installed; "
     "'stdio' is a character back-end\n"},
    {"no component",
     MACHINE "[device u]\n"
             "address = 1\n",
     NULL,
     "vm.conf:3: [device u] 'component' is missing: which device the "
     "guest sees\n"},
    {"device where component is meant",
     MACHINE "[device u]\n"
             "device = uart\n",
     NULL,
     "vm.conf:4: [device u] unknown property 'device'; did you mean "
     "'component'?\n"
     "vm.conf:3: [device u] 'component' is missing: which device the "
     "guest sees\n"},
    {"no back-end",
     MACHINE "[net lan]\n"
             "device = virtio-net\n",
     NULL,
     "vm.conf:3: [net lan] 'backend' is missing: which network back-end\n"},
    {"required property",
     MACHINE "[device f]\n"
             "component = flash\n",
     NULL, "vm.conf:3: [device f] 'image' is missing (its content)\n"},
    {"no image",
     MACHINE "[disk d]\n"
             "serial = x\n",
     NULL,
     "vm.conf:3: [disk d] 'image' is missing (file name or URI of the "
     "image)\n"},
    {"size", MACHINE "memory = 12Q\n", NULL,
     "vm.conf:3: [machine] memory: '12Q' is not a size (a number of "
     "bytes, or with K, M, G or T)\n"},
    {"size out of 64 bits", MACHINE "memory = 99999999999T\n", NULL,
     "vm.conf:3: [machine] memory: '99999999999T' is too large\n"},
    {"number below its range",
     MACHINE "[device pci]\n"
             "slots = 0\n",
     NULL, "vm.conf:4: [device pci] slots: 0 is less than the minimum, 1\n"},
    {"number above its range",
     MACHINE "[device pci]\n"
             "slots = 33\n",
     NULL, "vm.conf:4: [device pci] slots: 33 is more than the maximum, 32\n"},
    {"time above its range",
     MACHINE "[disk d]\n"
             "image = x\n"
             "timeout = 11s\n",
     NULL, "vm.conf:5: [disk d] timeout: 11s is more than the maximum, 10s\n"},
    {"choice", MACHINE "cpu = medium\n", NULL,
     "vm.conf:3: [cpu] model: 'medium' is none of: small, large\n"},
    {"MAC address",
     MACHINE "[net l]\n"
             "backend = user\n"
             "device = virtio-net\n"
             "mac = 52:54\n",
     NULL,
     "vm.conf:6: [net l] mac: '52:54' is not a MAC address "
     "(aa:bb:cc:dd:ee:ff)\n"},
    {"boolean",
     MACHINE "[disk d]\n"
             "image = x\n"
             "readonly = maybe\n",
     NULL, "vm.conf:5: [disk d] readonly: 'maybe' is not yes or no\n"},
    {"reference to nothing",
     MACHINE "[device uart0]\n"
             "chardev = char.consol\n",
     NULL,
     "vm.conf:4: [device uart0] chardev: no instance 'char.consol'; did "
     "you mean 'char.console'?\n"},
    {"parent that is not there",
     MACHINE "[disk d]\n"
             "image = x\n"
             "parent = mmio-7\n",
     NULL,
     "vm.conf:5: [disk d] parent: no instance 'mmio-7'; did you mean "
     "'mmio-0'?\n"},
    {"parent without that bus",
     MACHINE "[disk d]\n"
             "image = x\n"
             "parent = uart0\n",
     NULL, "vm.conf:5: [disk d] parent: 'uart0' has no bus of kind 'virtio'\n"},
    {"parent of what has no bus",
     MACHINE "[device uart0]\n"
             "parent = pci\n",
     NULL, "vm.conf:4: [device uart0] parent: 'uart' plugs into no bus\n"},
    {"two on one bus",
     MACHINE "[disk a]\n"
             "image = x\n"
             "parent = mmio-0\n"
             "[disk b]\n"
             "image = x\n"
             "parent = mmio-0\n",
     NULL, "vm.conf:8: [disk b] parent: 'mmio-0' is taken by 'disk.a'\n"},
    {"two in one slot",
     MACHINE "[device a]\n"
             "component = virtio-pci\n"
             "parent = pci\n"
             "slot = 2\n"
             "[device b]\n"
             "component = virtio-pci\n"
             "parent = pci\n"
             "slot = 2\n",
     NULL, "vm.conf:9: [device b] slot: 2 of 'pci' is taken by 'a'\n"},
    {"no free bus",
     "[board]\n"
     "target = toy\n"
     "[machine]\n"
     "accel = slow\n"
     "[disk d]\n"
     "image = x\n"
     "device = virtio-blk\n",
     NULL,
     "vm.conf:5: [disk d] no free bus of kind 'virtio' for 'disk.d', "
     "and the board has no attach.virtio\n"},
    {"adapter finds no room",
     MACHINE "[device pci]\n"
             "slots = 2\n"
             "[disk a]\n"
             "image=a\n"
             "[disk b]\n"
             "image=b\n"
             "[disk c]\n"
             "image=c\n"
             "[disk d]\n"
             "image=d\n",
     NULL,
     "vm.conf:11: [disk d] no free bus of kind 'pci' for "
     "'disk-d-virtio-pci', and the board has no attach.pci\n"},
    {"interrupt controller that is not there",
     MACHINE "[device uart0]\n"
             "irq = pilc:1\n",
     NULL,
     "vm.conf:4: [device uart0] irq: no instance 'pilc'; did you mean "
     "'plic'?\n"},
    {"interrupt without a line",
     MACHINE "[device uart0]\n"
             "irq = plic\n",
     NULL, "vm.conf:4: [device uart0] irq: 'plic' is not CONTROLLER:LINE\n"},
    {"interrupt of a CPU that is not there",
     MACHINE "[device uart0]\n"
             "irq = cpu1:mei\n",
     NULL, "vm.conf:4: [device uart0] irq: no 'cpu1': the machine has 1 CPU\n"},
    {"interrupt line that is no number",
     MACHINE "[device uart0]\n"
             "irq = plic:1x\n",
     NULL, "vm.conf:4: [device uart0] irq: '1x': '1x' is not a number\n"},
    {"interrupt line used twice",
     MACHINE "[device f]\n"
             "component = flash\n"
             "image = x\n"
             "irq = plic:10\n",
     NULL,
     "vm.conf:6: warning: [device f] irq: line 10 of 'plic' is wired to "
     "'uart0' too\n"},
    {"address used twice",
     MACHINE "[device f]\n"
             "component = flash\n"
             "image = x\n"
             "address = 0x10000000\n",
     NULL,
     "vm.conf:6: warning: [device f] address: 0x10000000 is the address "
     "of 'uart0' too\n"},
    {"address below zero",
     MACHINE "[device f]\n"
             "component = flash\n"
             "image = x\n"
             "address = 1 - 2\n",
     NULL, "vm.conf:6: [device f] address: '1 - 2': the result is negative\n"},
    {"address too large",
     MACHINE "[device f]\n"
             "component = flash\n"
             "image = x\n"
             "address = 0xffffffffffffffff + 1\n",
     NULL,
     "vm.conf:6: [device f] address: '0xffffffffffffffff + 1': the "
     "result is too large\n"},
    {"address with a stray percent",
     MACHINE "[device f]\n"
             "component = flash\n"
             "image = x\n"
             "address = 0x1000 * %\n",
     NULL,
     "vm.conf:6: [device f] address: '0x1000 * %': '%' stands only "
     "where the section's name has one\n"},
    {"address with a parenthesis too few",
     MACHINE "[device f]\n"
             "component = flash\n"
             "image = x\n"
             "address = 2 * (3 + 4\n",
     NULL, "vm.conf:6: [device f] address: '2 * (3 + 4': ')' is missing\n"},
    {"address with nothing after the plus",
     MACHINE "[device f]\n"
             "component = flash\n"
             "image = x\n"
             "address = 2 +\n",
     NULL,
     "vm.conf:6: [device f] address: '2 +': a number is missing at the "
     "end\n"},
    {"percent without count",
     MACHINE "[device f-%]\n"
             "component = flash\n",
     NULL, "vm.conf:3: [device f-%] 'count' is missing: the name has a '%'\n"},
    {"count without percent",
     MACHINE "[device f]\n"
             "component = flash\n"
             "image = x\n"
             "count = 2\n",
     NULL, "vm.conf:6: [device f] 'count' needs a '%' in the section's name\n"},
    {"count out of range",
     MACHINE "[device f-%]\n"
             "component = flash\n"
             "image = x\n"
             "count = 5000\n",
     NULL,
     "vm.conf:6: [device f-%] count: 5000 is more than the maximum, 4096\n"},
    {"two instances of one id",
     MACHINE "[device cpu]\n"
             "component = flash\n"
             "image = x\n",
     NULL,
     "vm.conf:3: [device cpu] the id 'cpu' is taken by another instance\n"},
    {"name of a vCPU",
     MACHINE "[device cpu0]\n"
             "component = flash\n"
             "image = x\n",
     NULL, "vm.conf:3: [device cpu0] the id 'cpu0' is taken by core\n"},
    {"references in a circle",
     MACHINE "[device f]\n"
             "component = flash\n"
             "image = x\n"
             "peer = g\n"
             "[device g]\n"
             "component = flash\n"
             "image = x\n"
             "peer = f\n",
     NULL, "vm.conf:7: [device g] peer: 'g' and 'f' need each other\n"},
    {"placing without a device",
     MACHINE "[char c]\n"
             "backend = stdio\n"
             "slot = 1\n",
     NULL, "vm.conf:5: [char c] 'slot' needs a device in this section\n"},
    {"boot protocol has no such property", MACHINE "initrd = x\n", NULL,
     "vm.conf:3: [machine] the boot protocol 'toy-boot' has no property "
     "'initrd'\n"},
    {"accelerator not there, another is", MACHINE "accel = kvm, slow\n", NULL,
     "vm.conf:3: warning: [machine] accelerator not installed, the next "
     "is taken: 'kvm'\n"},
    {"no accelerator there", MACHINE "accel = kvm\n", NULL,
     "vm.conf:3: [machine] no accelerator is installed: 'kvm'\n"},
    {"property of no accelerator",
     MACHINE "[accel]\n"
             "jti = no\n",
     NULL,
     "vm.conf:4: [accel] none of the accelerators has a property 'jti'\n"},
    {"format not there",
     MACHINE "[disk d]\n"
             "image = x\n"
             "format = qcow\n",
     NULL,
     "vm.conf:5: [disk d] no image format 'qcow' is installed; did you "
     "mean 'qcow2'?\n"},
    {"snapshot without the plugin for it",
     MACHINE "[disk d]\n"
             "image = x\n"
             "snapshot = yes\n",
     NULL, "vm.conf:5: [disk d] no image format 'overlay' is installed\n"},
    {"value of the format",
     MACHINE "[disk d]\n"
             "image = x\n"
             "format = qcow2\n"
             "cluster = 4M\n",
     NULL, "vm.conf:6: [disk d] cluster: 4M is more than the maximum, 2M\n"},
    {"unknown section type",
     MACHINE "[dsik d]\n"
             "image = x\n",
     NULL, "vm.conf:3: unknown section type 'dsik'; did you mean 'disk'?\n"},
    {"section without a name",
     MACHINE "[disk]\n"
             "image = x\n",
     NULL, "vm.conf:3: [disk] needs a name: [disk NAME]\n"},
    {"section with a name too many", MACHINE "[boot x]\n", NULL,
     "vm.conf:3: [boot] takes no name\n"},
    {"header without an end",
     MACHINE "[disk d\n"
             "image = x\n",
     NULL, "vm.conf:3: section header without ']'\n"},
    {"text after a header", MACHINE "[disk d] x\n", NULL,
     "vm.conf:3: text after the section header: 'x'\n"},
    {"bad name",
     MACHINE "[disk d.e]\n"
             "image = x\n",
     NULL,
     "vm.conf:3: bad section header: a type and a name of letters, "
     "digits, '-' and '_', and perhaps 'if OPTION=VALUE'\n"},
    {"condition without a value",
     MACHINE "[disk d if x]\n"
             "image = x\n",
     NULL,
     "vm.conf:3: bad section header: a type and a name of letters, "
     "digits, '-' and '_', and perhaps 'if OPTION=VALUE'\n"},
    {"condition of no option",
     MACHINE "[disk d if size=small]\n"
             "image = x\n",
     NULL,
     "vm.conf:3: [disk d if size=small]: the board has no option 'size'\n"},
    {"no choice of an option",
     MACHINE "size = lrge\n"
             "[board]\n"
             "option.size = small | large\n",
     NULL,
     "vm.conf:3: [machine] size: 'lrge' is none of the board's: small, "
     "large; did you mean 'large'?\n"},
    {"option that is a setting",
     MACHINE "[board]\n"
             "option.cpus = 1 | 2\n",
     NULL,
     "vm.conf:4: [board] option.cpus: not a name and choices of an option\n"},
    {"no equals sign", MACHINE "cpus 4\n", NULL,
     "vm.conf:3: neither '[section]' nor 'key = value': 'cpus 4'\n"},
    {"key before a section", "cpus = 4\n" MACHINE, NULL,
     "vm.conf:1: 'cpus' stands before the first section\n"},
    {"bad escape", MACHINE "name = a\\b\n", NULL,
     "vm.conf:3: value of 'name': '\\' begins one of \\s \\n \\t \\r "
     "\\# and \\\\\n"},
    {"key twice",
     MACHINE "cpus = 1\n"
             "cpus = 2\n",
     NULL,
     "vm.conf:4: warning: [machine] 'cpus' stands on line 3 already; "
     "this one counts\n"},
    {"no UTF-8",
     "[machine]\n"
     "name = \xff\n",
     NULL,
     "vm.conf: no text file in UTF-8\n"
     "[machine] no board: 'board = NAME' is missing (tenon list boards)\n"
     "[machine] no accelerator is installed: 'kvm', 'tcg', 'interp'\n"},
    {"secret without a source", MACHINE "[secret k]\n", NULL,
     "vm.conf:3: [secret k] needs one of 'file' and 'env'\n"},
    {"secret with two sources",
     MACHINE "[secret k]\n"
             "file = /nonexistent/key\n"
             "env = KEY\n",
     NULL, "vm.conf:3: [secret k] needs one of 'file' and 'env'\n"},
    {"secret in the file itself",
     MACHINE "[secret k]\n"
             "file = /nonexistent/key\n"
             "data = geheim\n",
     NULL, "vm.conf:5: [secret k] unknown property 'data'\n"},
    {"secret without a name", MACHINE "[secret]\n", NULL,
     "vm.conf:3: [secret] needs a name: [secret NAME]\n"},
    {"setting without a value", MACHINE, "machine.cpus",
     "--set: 'machine.cpus' is not section.key=value\n"},
    {"setting without a key", MACHINE, "cpus=4",
     "--set: 'cpus=4' is not section.key=value\n"},
    {"setting of a bad value", MACHINE, "machine.cpus=4x",
     "--set: [machine] cpus: '4x' is not a number (decimal, or 0x and "
     "hexadecimal)\n"},
    {"setting of an unknown property",
     MACHINE "[disk d]\n"
             "image = x\n",
     "disk.d.imge=x",
     "--set: [disk d] unknown property 'imge'; did you mean 'image'?\n"},
    {"setting of a device that is not there", MACHINE, "uart1.chardev=x",
     "--set: [device uart1] 'component' is missing: which device the "
     "guest sees\n"},
    {"adapter that is none",
     MACHINE "[disk d]\n"
             "image = x\n"
             "attach = uart\n",
     NULL,
     "vm.conf:5: [disk d] attach: 'uart' provides no bus of kind "
     "'virtio'\n"},
    {"adapter that is not there",
     MACHINE "[disk d]\n"
             "image = x\n"
             "attach = virtio-pic\n",
     NULL,
     "vm.conf:5: [disk d] no device 'virtio-pic' is installed; did you mean "
     "'virtio-pci'?\n"},
};
